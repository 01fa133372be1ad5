import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { Config } from '../config/config.js';
import { Ledger, stagePath } from '../uploads/ledger.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import type { Stuck } from './finding.js';
import { SecondLook } from './second-look.js';

/** A due stage may wait its turn in a backlog; longer than this, nobody seems to work. */
const LONGEST_WAIT_MS = 3_600_000;

interface Kind {
  reason: Stuck['reason'];
  stage: StageName | null;
  filter: mongo.Filter<Upload>;
  since: (row: Upload) => Date | null | undefined;
}

/** Finds rows that the sweep, or a worker, has not gone on with although it should have, several times over. */
@Injectable()
export class StuckRows {
  constructor(
    private readonly ledger: Ledger,
    private readonly config: Config,
  ) {}

  async *find(graceMs: number): AsyncGenerator<Stuck> {
    // Time enough for two sweeps that found the row, and their own grace.
    const lateMs = 2 * this.config.SWEEP_INTERVAL_S * 1000 + this.config.DISPATCH_GRACE_S * 1000;
    const again = new SecondLook<{ kind: Kind; row: Upload }, Stuck>(graceMs, ({ kind, row }) =>
      this.confirm(kind, row),
    );
    for (const kind of kinds(new Date(Date.now() - lateMs), new Date(Date.now() - LONGEST_WAIT_MS))) {
      for await (const row of this.ledger.rows.find(kind.filter, { batchSize: 100 })) yield* again.add({ kind, row });
    }
    yield* again.rest();
  }

  /** Whether what was found is still so, without a grace: for who waited already. */
  async isStuck({ upload_id, reason, stage }: Stuck): Promise<boolean> {
    const now = new Date();
    const kind = kinds(now, new Date(now.getTime() - LONGEST_WAIT_MS)).find(
      (each) => each.reason === reason && each.stage === stage,
    );
    const row = await this.ledger.find(upload_id);
    return kind !== undefined && row !== null && (await this.confirm(kind, row)) !== null;
  }

  private async confirm({ reason, stage, filter, since }: Kind, { _id }: Upload): Promise<Stuck | null> {
    const row = await this.ledger.rows.findOne({ $and: [{ _id }, filter] });
    if (!row) return null;
    return { category: 'stuck', upload_id: _id.toHexString(), stage, reason, since: since(row) ?? row.updated_at };
  }
}

function kinds(late: Date, veryLate: Date): Kind[] {
  const row = (reason: Stuck['reason'], filter: mongo.Filter<Upload>, since: Kind['since']): Kind => {
    return { reason, stage: null, filter, since };
  };
  return [
    row('upload_lease_expired', { state: 'uploading', lease_until: { $lt: late } }, ({ lease_until }) => lease_until),
    row('link_missing', { link_due: true, committed_at: { $lt: late } }, ({ committed_at }) => committed_at),
    row(
      'projection_missing',
      { projection_due: { $exists: true }, updated_at: { $lt: late } },
      ({ updated_at }) => updated_at,
    ),
    row('audio_not_deleted', { audio_state: 'deleting', updated_at: { $lt: late } }, ({ updated_at }) => updated_at),
    ...STAGES.flatMap((stage): Kind[] => [
      {
        reason: 'stage_lease_expired',
        stage,
        filter: {
          state: 'committed',
          [stagePath(stage, 'state')]: 'processing',
          [stagePath(stage, 'lease_until')]: { $lt: late },
        },
        since: ({ stages }) => stages[stage]?.lease_until,
      },
      {
        reason: 'stage_waiting',
        stage,
        filter: {
          state: 'committed',
          [stagePath(stage, 'state')]: 'due',
          [stagePath(stage, 'due_at')]: { $lt: veryLate },
        },
        since: ({ stages }) => stages[stage]?.due_at,
      },
    ]),
  ];
}
