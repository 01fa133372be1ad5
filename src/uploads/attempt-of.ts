import type { Claim } from './stage-ledger.js';
import type { Attempt, StageError } from './upload.schema.js';

/** What is kept of an attempt that has ended. */
export function attemptOf(
  claim: Claim,
  outcome: Attempt['outcome'],
  error: StageError | null,
  to: Date,
): Omit<Attempt, '_id'> {
  return {
    upload_id: claim.id,
    stage: claim.stage,
    number: claim.attempt,
    worker: claim.row.stages[claim.stage]?.worker ?? null,
    from: claim.claimedAt,
    to,
    outcome,
    error,
    correlation_id: claim.row.correlation_id,
  };
}

/** Doubled for each attempt, with up to a fifth of jitter so that a crowd does not come back at once. */
export const backoffMs = (firstS: number, attempt: number): number =>
  firstS * 1000 * 2 ** (attempt - 1) * (1 + Math.random() / 5);
