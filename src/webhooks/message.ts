import type { OwedEvent } from '../events/owed.js';

/**
 * The body of a message as Standard Webhooks wants it: `{type, timestamp, data}`, with where to look as links.
 *
 * @param base where clients reach the service; null: the links are paths
 */
export function messageOf(
  { type, at, session_id, upload_id, data }: Pick<OwedEvent, 'type' | 'at' | 'session_id' | 'upload_id' | 'data'>,
  base: string | null,
): string {
  const root = (base ?? '').replace(/\/+$/, '');
  const links = {
    ...(session_id === null ? {} : { session: `${root}/api/sessions/${session_id}` }),
    ...(upload_id === null ? {} : { upload: `${root}/api/uploads/${upload_id}` }),
  };
  const linked = Object.keys(links).length === 0 ? data : { ...data, links };
  return JSON.stringify({ type, timestamp: at.toISOString(), data: linked });
}
