import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { Connection, mongo } from 'mongoose';
import { Log } from '../common/logging.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import { nativeCollection } from '../common/mongo-collection.js';
import { Config } from '../config/config.js';
import { Outbox } from '../events/outbox.js';
import { AlertConditions } from './alert.conditions.js';
import { AlertLedger } from './alert.ledger.js';
import type { Condition } from './condition.js';
import { SpaceConditions } from './space.conditions.js';

interface Turn {
  _id: string;
  owner: string;
  until: Date;
}

const TURN = 'alerts';
/** An alert of a machine that has not looked at it for so many intervals is over. */
const FORGOTTEN = 20;

/**
 * Looks at the conditions of alerts every `ALERT_INTERVAL_S`, while somebody wants to be told. In every process: each looks at its
 * own disk, and one of them, whoever comes first, at the rest. API processes take part since no worker can tell that there is none.
 */
@Injectable()
export class AlertWatch implements OnApplicationShutdown {
  private readonly turns: mongo.Collection<Turn>;
  private readonly intervalMs: number;
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<void> | null = null;

  constructor(
    @InjectConnection() connection: Connection,
    private readonly conditions: AlertConditions,
    private readonly space: SpaceConditions,
    private readonly ledger: AlertLedger,
    private readonly outbox: Outbox,
    private readonly log: Log,
    config: Config,
  ) {
    this.turns = nativeCollection<Turn>(connection, 'locks');
    this.intervalMs = config.ALERT_INTERVAL_S * 1000;
  }

  /** May be called again. */
  start(): void {
    this.timer ??= setInterval(() => void this.once(), this.intervalMs);
  }

  /** One look, unless one is under way here. */
  async once(): Promise<void> {
    this.looking ??= this.look()
      .catch((error: unknown) => this.log.pino.warn({ err: error }, 'Alerts not looked at'))
      .finally(() => {
        this.looking = null;
      });
    await this.looking;
  }

  private async look(): Promise<void> {
    const isWanted =
      (await this.outbox.wants('alert.firing', null)) || (await this.outbox.wants('alert.resolved', null));
    if (!isWanted) return;
    // What cannot be looked at here must not keep the rest from being told.
    await this.noteAll(await this.space.ofThisHost().catch(() => []));
    if (!(await this.takeTurn())) return;
    const found = await this.conditions.read();
    await this.noteAll([...found, ...(await this.space.ofDatabase().catch(() => []))]);
    await this.ledger.resolveForgotten(new Date(Date.now() - FORGOTTEN * this.intervalMs));
    // Nobody else would send it, and what else is due.
    if (found.some(({ id, value }) => id === 'no_worker' && value === 0)) await this.outbox.sendHere();
  }

  private async noteAll(found: Condition[]): Promise<void> {
    for (const condition of found) await this.ledger.note(condition);
  }

  /** One process has it for an interval, then whoever asks first. */
  private async takeTurn(): Promise<boolean> {
    const now = Date.now();
    const turn = { owner: randomUUID(), until: new Date(now + this.intervalMs * 0.9) };
    const { modifiedCount } = await this.turns.updateOne({ _id: TURN, until: { $lt: new Date(now) } }, { $set: turn });
    if (modifiedCount === 1) return true;
    try {
      await this.turns.insertOne({ _id: TURN, ...turn });
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.looking;
  }
}
