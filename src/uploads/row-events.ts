import type { Outbox } from '../events/outbox.js';
import type { EventType, OwedEvent } from '../events/owed.js';
import { owing } from '../events/owed.js';
import type { StageError, StageName, Upload } from './upload.schema.js';

type Outcome = { done: Partial<Upload> } | { failed: StageError };

/**
 * The fields by which a row owes the event of a stage's end, to be set in the same update; none where nobody wants to hear of it.
 *
 * @param id names the change, as `projection_due` does
 */
export function owedByRow(
  outbox: Outbox,
  row: Upload,
  stage: StageName,
  outcome: Outcome,
  id: string,
): Record<string, unknown> {
  // Whether audio was archived is no news of the answer.
  if (row.kind !== 'answer' || stage === 'archive') return {};
  const failed = 'failed' in outcome;
  const type: EventType = failed ? 'answer.failed' : stage === 'analysis' ? 'answer.scored' : 'answer.completed';
  if (!outbox.mayWant(type, row.user_id)) return {};
  outbox.await(id);
  const { analysis } = failed ? row : { ...row, ...outcome.done };
  return owing(
    id,
    answerEvent(row, type, {
      status: failed ? 'failed' : 'completed',
      stage,
      ...(type === 'answer.scored'
        ? { score: analysis?.score ?? null, not_scorable: (analysis?.notScorable ?? null) !== null }
        : {}),
      ...(failed ? { error: { code: outcome.failed.code, message: outcome.failed.message } } : {}),
    }),
  );
}

/** A written answer is complete as soon as it is there. */
export function owedByText(outbox: Outbox, row: TextRow): Record<string, unknown> {
  if (row.kind !== 'answer' || !outbox.mayWant('answer.completed', row.user_id)) return {};
  const id = row._id.toHexString();
  const event = answerEvent({ ...row, source: 'text' }, 'answer.completed', { status: 'completed', stage: null });
  return { events_due: id, owed: { [id]: event } };
}

type Told = '_id' | 'user_id' | 'session_id' | 'question_id' | 'correlation_id' | 'source';
type TextRow = Pick<Upload, Exclude<Told, 'source'> | 'kind'>;

function answerEvent(row: Pick<Upload, Told>, type: EventType, facts: Record<string, unknown>): OwedEvent {
  const { user_id, session_id, question_id, correlation_id, source } = row;
  const upload_id = row._id.toHexString();
  return {
    type,
    at: new Date(),
    user_id,
    session_id,
    upload_id,
    correlation_id,
    data: { upload_id, session_id, question_id, user_id, source, ...facts },
  };
}
