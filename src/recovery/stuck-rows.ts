import { MARKED } from '../common/marked.js';
import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { Config } from '../config/config.js';
import { Ledger } from '../uploads/ledger.js';
import { stagePath } from '../uploads/stage-path.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import type { Stuck } from './finding.js';
import { SecondLook } from './second-look.js';
import { StuckEndings } from './stuck-endings.js';

/** A due stage may wait its turn in a backlog; longer than this, nobody seems to work. */
const LONGEST_WAIT_MS = 3_600_000;
/** Never the transcript: rows that wait may be many. */
const TIMES = { lease_until: 1, committed_at: 1, updated_at: 1, stages: 1 } as const;

type Times = Pick<Upload, 'lease_until' | 'committed_at' | 'updated_at' | 'stages'>;

interface Kind {
  reason: Stuck['reason'];
  stage: StageName | null;
  filter: mongo.Filter<Upload>;
  since: (row: Times) => Date | null | undefined;
}

/** Finds rows that the sweep, or a worker, has not gone on with although it should have, several times over. */
@Injectable()
export class StuckRows {
  constructor(
    private readonly ledger: Ledger,
    private readonly endings: StuckEndings,
    private readonly config: Config,
  ) {}

  async *find(graceMs: number): AsyncGenerator<Stuck> {
    // Time enough for two sweeps that found the row, and their own grace.
    const lateMs = 2 * this.config.SWEEP_INTERVAL_S * 1000 + this.config.DISPATCH_GRACE_S * 1000;
    const again = new SecondLook<{ kind: Kind; id: mongo.ObjectId }, Stuck>(graceMs, ({ kind, id }) =>
      this.confirm(kind, id),
    );
    const [late, veryLate] = [new Date(Date.now() - lateMs), new Date(Date.now() - LONGEST_WAIT_MS)];
    for (const kind of kinds(late, veryLate)) {
      const rows = this.ledger.rows.find(kind.filter, { projection: { _id: 1 }, batchSize: 100 });
      for await (const { _id } of rows) yield* again.add({ kind, id: _id });
    }
    yield* again.rest();
    yield* this.endings.find(graceMs, late, veryLate);
  }

  /** Whether what was found is still so, without a grace: for who waited already. */
  async isStuck(finding: Stuck): Promise<boolean> {
    const { upload_id, reason, stage } = finding;
    if (reason === 'kept_audio_not_deleted' || reason === 'erasure_unfinished') return this.endings.isStuck(finding);
    const now = new Date();
    const kind = kinds(now, new Date(now.getTime() - LONGEST_WAIT_MS)).find(
      (each) => each.reason === reason && each.stage === stage,
    );
    if (!kind || upload_id === null) return false;
    return (await this.confirm(kind, new mongo.ObjectId(upload_id))) !== null;
  }

  private async confirm({ reason, stage, filter, since }: Kind, _id: mongo.ObjectId): Promise<Stuck | null> {
    const row = await this.ledger.rows.findOne({ $and: [{ _id }, filter] }, { projection: TIMES });
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
    row('projection_missing', { projection_due: MARKED, updated_at: { $lt: late } }, ({ updated_at }) => updated_at),
    row('audio_not_deleted', { audio_state: 'deleting', updated_at: { $lt: late } }, ({ updated_at }) => updated_at),
    row(
      'kept_audio_not_released',
      { kept_state: 'releasing', updated_at: { $lt: late } },
      ({ updated_at }) => updated_at,
    ),
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
        // From its last try on, not from its first: nothing is stuck that is tried again and again, and how long it waits an alert tells.
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
