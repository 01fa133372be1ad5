import type { Outbox } from '../events/outbox.js';
import { stagePath } from './stage-path.js';
import { owedByRow } from './row-events.js';
import type { Stage, StageError, StageName, Upload } from './upload.schema.js';
import { dueStage } from './upload.schema.js';

/** The fields of a row whose stage nobody holds any more. */
export function endedStage(stage: StageName, state: 'due' | 'done' | 'failed', at: Date, error: StageError | null) {
  return {
    [stagePath(stage, 'state')]: state,
    [stagePath(stage, 'token')]: null,
    [stagePath(stage, 'lease_until')]: null,
    [stagePath(stage, 'finished_at')]: at,
    [stagePath(stage, 'error')]: error,
  };
}

/** The fields of a row whose stage failed for good: owed to those who want to hear of it. */
export function failedStage(outbox: Outbox, row: Upload, stage: StageName, at: Date, error: StageError, mark: string) {
  return {
    ...endedStage(stage, 'failed', at, error),
    ...owedByRow(outbox, row, stage, { failed: error }, mark),
    projection_due: mark,
  };
}

/** The row as a visible change of one stage leaves it, without reading it again. */
export function withStage(row: Upload, stage: StageName, fields: Partial<Stage>, more: Partial<Upload> = {}): Upload {
  const changed = { ...(row.stages[stage] ?? dueStage(new Date())), ...fields };
  return { ...row, ...more, version: row.version + 1, stages: { ...row.stages, [stage]: changed } };
}
