/** What can be told to others. `document.completed` and `batch.completed` can be asked for; what they tell of is still to come. */
export const EVENT_TYPES = [
  'answer.completed',
  'answer.scored',
  'answer.failed',
  'session.analyzed',
  'document.completed',
  'batch.completed',
  'alert.firing',
  'alert.resolved',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** An event that a document has caused and that nobody was told of yet. */
export interface OwedEvent {
  type: EventType;
  /** When it happened. */
  at: Date;
  /** Whose it is; null: of the service itself, for admins. */
  user_id: string | null;
  session_id: string | null;
  /** The ledger row it tells of: once a newer take replaced that one, it is not worth telling. */
  upload_id: string | null;
  correlation_id: string | null;
  /** What is told: ids, states and scores; never a transcript. */
  data: Record<string, unknown>;
}

/**
 * Fields by which a document owes events: written in the very update that causes one, and unset when deliveries of all of them
 * are recorded. `events_due` names the latest, so that one which comes in between keeps the rest waiting.
 */
export interface OwesEvents {
  events_due?: string;
  /** By their ids. */
  owed?: Record<string, OwedEvent>;
}

/** The collections whose documents owe events, and which of their documents still stand for something. */
export const OWING = {
  uploads: { state: 'committed', link_due: { $exists: false } },
  interview_sessions: { erasing_since: { $exists: false } },
  alerts: {},
} as const;
export type OwingCollection = keyof typeof OWING;

/** The fields to set in the update that causes an event. `id` is unique to it. */
export function owing(id: string, event: OwedEvent): Record<string, unknown> {
  return { events_due: id, [`owed.${id}`]: event };
}
