import type { JobOptions } from 'bull';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName } from '../uploads/upload.schema.js';

/** One queue a stage, and one for the periodic sweep. */
export const SWEEP_QUEUE = 'sweep';
/** Says which webhook has something due. */
export const WEBHOOK_QUEUE = 'webhooks';
export const STAGE_QUEUES: readonly StageName[] = STAGES;
export const ALL_QUEUES: readonly string[] = [...STAGE_QUEUES, SWEEP_QUEUE, WEBHOOK_QUEUE];

/** What names an upload's bytes; `size` in bytes. */
export interface NamedAudio {
  user_id: string;
  sha256: string;
  file_id: string;
  size: number;
}

/** Ids, and no content: a handler reads the row afresh. */
export interface StageJob {
  upload_id: string;
  correlation_id: string | null;
  /** What the stage will want: it is read beside the row, and counts only where the row names the same. */
  audio?: NamedAudio;
}

/** Thrown by a processor to have Bull run the same job again when the ledger says so. */
export class RetryAt extends Error {
  constructor(
    readonly dueAt: Date,
    reason: string,
  ) {
    super(reason);
    this.name = 'RetryAt';
  }
}

/** Bull's name for "wait as long as the ledger says"; see `ledgerBackoff`. */
export const LEDGER_BACKOFF = 'ledger';

/** Exponential from `delay`, with the ledger's jitter: the ledger made the time, Bull only follows it. */
export function ledgerBackoff(attemptsMade: number, error: Error, options?: { delay?: number }): number {
  if (error instanceof RetryAt) return Math.max(0, error.dueAt.getTime() - Date.now());
  return (options?.delay ?? 5000) * 2 ** (attemptsMade - 1);
}

/** How many finished jobs Bull keeps for people to look at; the ledger keeps the truth. */
const KEPT = { removeOnComplete: 200, removeOnFail: 1000 };

export function stageJobOptions(jobId: string, attempts: number, backoffS: number, delayMs: number): JobOptions {
  return {
    jobId,
    attempts,
    backoff: { type: LEDGER_BACKOFF, delay: backoffS * 1000 },
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...KEPT,
  };
}

/** Unique for each time that a stage is handed to Bull: Bull ignores an id that a kept job still holds. */
export const jobIdOf = (uploadId: string, stage: StageName, dispatch: number): string =>
  `${uploadId}-${stage}-${dispatch}`;
