import { APIConnectionTimeoutError, APIError } from 'openai';
import { AppError, PermanentError, TransientError } from '../common/app-error.js';

/** Which engine speaks, as people read it in an error. */
export type Engine = 'speech' | 'scoring';

/** What an error of the endpoint means for the work at hand. */
export interface Verdict {
  error: AppError;
  /** Whether the same request may be sent again within this attempt. */
  again: boolean;
  /** Milliseconds that the endpoint asked us to wait; null when it did not say. */
  waitMs: number | null;
}

/** Code of the refusal of audio that is too large or too long for one request. */
export const TOO_LONG = 'engine_audio_too_long';

/** Code of an answer that is not what was asked for. */
export const BROKEN_ANSWER = 'engine_broken_answer';

/** Nobody means a longer one; a server that says so has its clock or its units wrong. */
const LONGEST_ASKED_MS = 3_600_000;

/**
 * How long the endpoint asks us to wait, in milliseconds and at most an hour: `retry-after-ms`, else `retry-after` in seconds
 * or as an HTTP date (RFC 9110, 10.2.3); null when it does not say.
 */
export function waitAsked(headers: Headers | undefined, now = Date.now()): number | null {
  const asked = waitNamed(headers, now);
  return asked === null ? null : Math.min(Math.max(0, asked), LONGEST_ASKED_MS);
}

function waitNamed(headers: Headers | undefined, now: number): number | null {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (Number.isFinite(ms)) return ms;
  const after = headers?.get('retry-after');
  if (!after) return null;
  if (/^\s*\d+(\.\d+)?\s*$/.test(after)) return Number.parseFloat(after) * 1000;
  const date = Date.parse(after);
  return Number.isNaN(date) ? null : date - now;
}

/** What an endpoint answered with an error status, or a connection that broke before it could. */
type StatusError = APIError<number | undefined, Headers | undefined, object | undefined>;

function messageOf(error: StatusError): string {
  const message = error.error && 'message' in error.error ? error.error.message : '';
  return typeof message === 'string' ? message : '';
}

/** The endpoint's own words, short and without anything that looks like a key. */
function wordsOf(error: StatusError, key: string): string {
  const clean = messageOf(error)
    .split(key)
    .join('[key]')
    .replace(/\b(sk|Bearer)[-_ ][\w*.-]+/g, '[key]');
  const line = clean.replace(/\s+/g, ' ').trim().slice(0, 200);
  return line ? `: ${line}` : '';
}

function permanent(engine: Engine, error: StatusError, key: string): AppError {
  const words = wordsOf(error, key);
  const cause = describe(error);
  // A redirect is not followed: the key and the audio go where the operator said, and nowhere else.
  const status = (error.status ?? 0) < 400 ? 404 : error.status;
  switch (status) {
    // What the engine says of keys is for nobody's eyes but the operator's, and may hold a part of one.
    case 401:
      return new PermanentError(
        'engine_rejected_key',
        `The ${engine} engine does not accept the service's key; the operator has to set OPENAI_API_KEY.`,
        cause,
      );
    case 403:
      return new PermanentError(
        'engine_forbidden',
        `The ${engine} engine does not allow this to the service's key; the operator has to look at its rights.`,
        cause,
      );
    case 404:
      return new PermanentError(
        'engine_unknown_model',
        `The ${engine} engine does not know the configured model or address; the operator has to set it.`,
        cause,
      );
    default:
      return new PermanentError(
        'engine_rejected_request',
        `The ${engine} engine refused this answer${words || '.'}`,
        cause,
      );
  }
}

/** What is kept of an error for the log: never the request, whose headers hold the key. */
function describe(error: StatusError): Error {
  return new Error(`HTTP ${error.status ?? '-'}, code ${error.code ?? '-'}, request ${error.requestID ?? '-'}`);
}

/** Whatever is waited for, this request is too much for the endpoint. */
function tooLong(error: StatusError): boolean {
  if (error.status === 413) return true;
  // OpenAI: "Request too large for gpt-4o … on tokens per min (TPM): Limit 30000, Requested 36278."
  if (error.status === 429 && /request too large/i.test(messageOf(error))) return true;
  // OpenAI: "audio duration 1620.4 seconds is longer than 1400 seconds which is the maximum for this model".
  return error.status === 400 && /longer than \d+ seconds|maximum content size/i.test(messageOf(error));
}

/**
 * Translates what the client threw, once for all OpenAI-compatible engines.
 *
 * A wrong key, missing right or unknown model is lasting although the answer is not at fault: trying again cannot help
 * before someone acts, and would only hide it. No answer is lost by it: the dead letter keeps the audio, and the
 * operator retries all of one `code` at once.
 *
 * @param key never to be seen in a message
 */
export function judge(engine: Engine, thrown: unknown, key: string): Verdict {
  if (thrown instanceof AppError) return { error: thrown, again: false, waitMs: null };
  if (!(thrown instanceof APIError)) {
    // The client parses JSON itself and lets a SyntaxError through; what else reaches here is a fault of ours.
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return { error: brokenAnswer(engine), again: false, waitMs: null };
  }
  return judgeAnswer(engine, thrown as StatusError, key);
}

function judgeAnswer(engine: Engine, thrown: StatusError, key: string): Verdict {
  const { status, headers } = thrown;
  if (status === undefined) {
    const message = `The ${engine} engine could not be reached, or broke the connection.`;
    // The time of a request is kept elsewhere, as this client's own never ends: what it takes for a time that ran out is a peer
    // that no packet reaches. It does not pass on which error that was.
    const code = thrown instanceof APIConnectionTimeoutError ? 'ETIMEDOUT' : networkCode(thrown);
    // Without a connection it has seen nothing of the answer. One that breaks may be what the answer does to it.
    const options = { cause: new Error(code), uncounted: NO_CONNECTION.has(code) };
    return {
      error: new TransientError('engine_unreachable', message, options),
      // The system has been patient already.
      again: code !== 'ETIMEDOUT',
      waitMs: null,
    };
  }
  if (tooLong(thrown)) {
    const error =
      engine === 'speech'
        ? new PermanentError(TOO_LONG, 'This is too long for the speech engine.', describe(thrown))
        : permanent(engine, thrown, key);
    return { error, again: false, waitMs: null };
  }
  const asked = headers?.get('x-should-retry');
  const passing = status === 408 || status === 409 || status === 425 || status === 429 || status >= 500;
  if (!passing && asked !== 'true') return { error: permanent(engine, thrown, key), again: false, waitMs: null };

  const waitMs = waitAsked(headers);
  const options = { cause: describe(thrown), ...(waitMs === null ? {} : { retryAfter: Math.ceil(waitMs / 1000) }) };
  if (thrown.code === 'insufficient_quota') {
    const message = `The ${engine} engine's quota is used up; the operator has to look at its plan.`;
    return {
      error: new TransientError('engine_quota', message, { retryAfter: 300, ...options, uncounted: true }),
      again: false,
      waitMs,
    };
  }
  const again = asked !== 'false';
  // One that has no time for it at the moment finds no fault with it: it waits for as long as that takes.
  if (status === 429) {
    const message = `The ${engine} engine takes no more requests at the moment.`;
    return {
      error: new TransientError('engine_rate_limited', message, { ...options, uncounted: true }),
      again,
      waitMs,
    };
  }
  const message = `The ${engine} engine failed (HTTP ${status}).`;
  return { error: new TransientError('engine_unavailable', message, options), again, waitMs };
}

export function timedOut(engine: Engine): TransientError {
  return new TransientError('engine_timeout', `The ${engine} engine did not answer in time.`);
}

export function brokenAnswer(engine: Engine): TransientError {
  return new TransientError(BROKEN_ANSWER, `The ${engine} engine sent something that cannot be read.`);
}

/** What a connection that was never made fails with. */
const NO_CONNECTION: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
]);

/** The innermost error's code or name, e.g. ECONNREFUSED: its message may name addresses. */
function networkCode(thrown: Error): string {
  let error: unknown = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  const { code, name } = error as NodeJS.ErrnoException;
  return code ?? name;
}
