import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/** Name of the header that carries the correlation id, in and out. */
export const CORRELATION_HEADER = 'X-Correlation-ID';

const WELL_FORMED = /^[A-Za-z0-9._-]{1,128}$/;
const storage = new AsyncLocalStorage<string>();

/** Id of the request or job at hand; undefined outside of both. */
export function correlationId(): string | undefined {
  return storage.getStore();
}

/** Runs `fn` so that everything it starts logs under `id`: a request, or a job that carries on a request's work. */
export function runWithCorrelation<T>(id: string, fn: () => T): T {
  return storage.run(id, fn);
}

/** The given id if it is 1 to 128 of `A-Z a-z 0-9 . _ -`, else a new UUID. */
export function correlationIdFrom(given: unknown): string {
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : randomUUID();
}
