import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import type { Actor } from '../audit/actor.decorator.js';
import { Audit } from '../audit/audit.js';
import { ConflictError, NotFoundError } from '../common/app-error.js';
import { cursorId } from '../common/cursor.js';
import { Metrics } from '../common/metrics.js';
import { StageRestart } from '../queue/stage-restart.js';
import { Ledger } from '../uploads/ledger.js';
import { stagePath } from '../uploads/stage-path.js';
import { StageByHand } from '../uploads/stage-by-hand.js';
import { STAGES, needsBytes } from '../uploads/upload.schema.js';
import type { Stage, StageName, StageState, Upload } from '../uploads/upload.schema.js';
import { uploadView } from '../uploads/upload.view.js';
import { shownFilter } from '../uploads/uploads.service.js';
import type { AdminUploadFilter, AdminUploadPage, AdminUploadQuery, FailedByHand } from './admin-upload.dto.js';
import { audioGone, deadLetterOf } from './dead-letter.js';
import { changedMeanwhile } from './dead-letters.service.js';
import type { QueuedAgain } from './queued-again.dto.js';

/** A claim may come in between reading a row and changing it; it cannot come more often than this. */
const TRIES = 3;

/** The ledger of everybody, and the two things that may be done to a row by hand. */
@Injectable()
export class AdminUploads {
  constructor(
    private readonly ledger: Ledger,
    private readonly stages: StageByHand,
    private readonly restarts: StageRestart,
    private readonly audit: Audit,
    private readonly metrics: Metrics,
  ) {}

  /** Newest first. */
  async search({ limit, cursor, ...filter }: AdminUploadQuery): Promise<AdminUploadPage> {
    const before = cursorId(cursor);
    const rows = await this.ledger.rows
      .find({ $and: [...conditions(filter), before ? { _id: { $lt: new mongo.ObjectId(before) } } : {}] })
      .sort({ _id: -1 })
      .limit(limit + 1)
      .toArray();
    const page = rows.slice(0, limit);
    const attempts = await this.ledger.attemptsOf(page.map((row) => row._id));
    return {
      items: page.map((row) => ({
        ...uploadView(
          row,
          attempts.filter((attempt) => attempt.upload_id.equals(row._id)),
        ),
        user_id: row.user_id,
      })),
      next_cursor: rows.length > limit ? (page.at(-1)?._id.toHexString() ?? null) : null,
    };
  }

  /**
   * Makes what failed, waits or is stuck due now, with all its attempts.
   *
   * @throws NotFoundError; ConflictError with the reason why it cannot be
   */
  async requeue(actor: Actor, id: string): Promise<QueuedAgain> {
    return this.audit.act(
      actor,
      { action: 'upload.requeue', target: `upload/${id}` },
      () => this.tried(id, (row) => this.requeueOnce(row)),
      ({ stage }) => ({ stage }),
    );
  }

  /**
   * Ends what waits or is worked on; whoever works on it loses it.
   *
   * @throws NotFoundError; ConflictError when there is nothing to end
   */
  async fail(actor: Actor, id: string, reason: string): Promise<FailedByHand> {
    const error = { code: 'failed_by_admin', message: `An administrator ended this: ${reason}` };
    return this.audit.act(
      actor,
      { action: 'upload.fail', target: `upload/${id}`, details: { reason } },
      () =>
        this.tried(id, async (row) => {
          const { name } = stageIn(row, 'processing') ?? stageIn(row, 'due') ?? {};
          if (!name) throw new ConflictError('nothing_to_fail', 'None of its stages waits or is worked on');
          if (!(await this.stages.fail(row, name, error))) return null;
          this.metrics.failures.labels(name, error.code).inc();
          await this.restarts.show(row);
          return { upload_id: id, stage: name, state: 'failed' as const };
        }),
      ({ stage }) => ({ stage }),
    );
  }

  private async requeueOnce(row: Upload): Promise<QueuedAgain | null> {
    const { name, stage } = deadLetterOf(row) ?? stageIn(row, 'processing') ?? stageIn(row, 'due') ?? {};
    if (!name || !stage) throw new ConflictError('nothing_to_requeue', 'All of its stages are done');
    if (needsBytes(name) && row.audio_state !== 'stored') throw new ConflictError('audio_gone', audioGone(row));
    if (stage.state === 'processing') {
      const until = stage.lease_until;
      if (until && until > new Date()) {
        const sentence = `${stage.worker} is working on it and holds it until ${until.toISOString()}; fail it to end that`;
        throw new ConflictError('in_work', sentence);
      }
      // Its worker is gone: recorded as such, then it is looked at again as what it is now.
      await this.stages.takeBack(row, name);
      return null;
    }
    const restarted = await this.restarts.restart(row, name, stage.state === 'failed' ? 'failed' : 'due');
    return restarted ? { upload_id: row._id.toHexString(), stage: name, state: 'due' } : null;
  }

  /** Looks at the row and acts, again while somebody else was faster. */
  private async tried<T>(id: string, act: (row: Upload) => Promise<T | null>): Promise<T> {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const row = await this.ledger.find(id);
      if (!row) throw new NotFoundError('Upload');
      if (row.state !== 'committed') throw new ConflictError('upload_closed', CLOSED[row.state]);
      const result = await act(row);
      if (result !== null) return result;
    }
    throw changedMeanwhile();
  }
}

const CLOSED: Record<Exclude<Upload['state'], 'committed'>, string> = {
  uploading: 'It is still arriving',
  superseded: 'A newer take of the question has replaced it',
  duplicate: 'It repeats another upload, which is the one that counts',
  failed: 'It never arrived whole; it has to be sent again',
};

function stageIn(row: Upload, state: StageState): { name: StageName; stage: Stage } | null {
  for (const name of STAGES) {
    const stage = row.stages[name];
    if (stage?.state === state) return { name, stage };
  }
  return null;
}

function conditions({ status, code, sha256, ...equal }: AdminUploadFilter): mongo.Filter<Upload>[] {
  const given = Object.entries(equal).filter(([, value]) => value !== undefined);
  return [
    Object.fromEntries(given),
    ...(sha256 ? [{ sha256: sha256.toLowerCase() }] : []),
    ...(status ? [shownFilter(status)] : []),
    ...(code
      ? [{ $or: [{ 'error.code': code }, ...STAGES.map((stage) => ({ [stagePath(stage, 'error.code')]: code }))] }]
      : []),
  ];
}
