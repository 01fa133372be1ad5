/** What went wrong, as the caller sees it; each edge (HTTP, CLI, processor) translates a kind once. */
export type ErrorKind =
  | 'bad_request'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'unsupported_media_type'
  | 'invalid'
  | 'rate_limited'
  | 'upstream'
  | 'unavailable';

/** One entry of FastAPI's validation error list (`HTTPValidationError.detail[]`). */
export interface ValidationIssue {
  type: string;
  loc: (string | number)[];
  msg: string;
  input: unknown;
  ctx?: Record<string, unknown>;
}

export interface AppErrorOptions {
  /** Whether the same work may succeed later without anyone changing it. */
  retryable?: boolean;
  /** Seconds after which a retry makes sense; sent as `Retry-After`. */
  retryAfter?: number;
  /** Nothing about this work was wrong: the attempt does not count, and it is tried until what it needs is back. */
  uncounted?: boolean;
  /** Extra response headers. */
  headers?: Record<string, string>;
  cause?: unknown;
}

/** An expected failure: `code` is stable (ledger, metrics), `message` is a sentence for the person who reads it. */
export class AppError extends Error {
  readonly retryable: boolean;
  readonly retryAfter?: number;
  readonly uncounted: boolean;
  readonly headers: Record<string, string>;

  constructor(
    readonly kind: ErrorKind,
    readonly code: string,
    message: string,
    options: AppErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.retryable = options.retryable ?? false;
    this.retryAfter = options.retryAfter;
    this.uncounted = options.uncounted ?? false;
    this.headers = options.headers ?? {};
  }
}

/** What says all to who started a program at a terminal: a failure of ours, or one of the system's, such as EACCES. Null for any other. */
export function expectedWords(error: unknown): string | null {
  if (error instanceof AppError) return error.message;
  const code = String((error as NodeJS.ErrnoException | null)?.code);
  if (!(error instanceof Error && /^E[A-Z]+$/.test(code))) return null;
  // A connection that was tried at several addresses says nothing itself.
  const tried = error instanceof AggregateError ? (error.errors as Error[]).map(({ message }) => message) : [];
  return error.message || tried.join('; ') || code;
}

export class NotFoundError extends AppError {
  constructor(what: string) {
    super('not_found', 'not_found', `${what} not found`);
  }
}

export class ConflictError extends AppError {
  constructor(code: string, message: string) {
    super('conflict', code, message);
  }
}

/** A request that is well formed but not valid; carries FastAPI's list of issues. */
export class ValidationError extends AppError {
  constructor(readonly issues: ValidationIssue[]) {
    // pydantic's prefix is for the answer; ledger and log have the reason alone.
    super('invalid', 'validation_error', issues.map(({ msg }) => msg.replace(/^Value error, /, '')).join('; '));
  }

  static at(loc: (string | number)[], type: string, msg: string, input: unknown = null): ValidationError {
    // pydantic puts what a validator raised there; FastAPI writes it as an empty object.
    const ctx = type === 'value_error' ? { ctx: { error: {} } } : {};
    return new ValidationError([{ type, loc, msg, input, ...ctx }]);
  }
}

/** The work cannot succeed, however often it is tried: its stage goes straight to the dead letters. */
export class PermanentError extends AppError {
  constructor(code: string, message: string, cause?: unknown) {
    super('invalid', code, message, { cause });
  }
}

/** The work failed for a reason that passes: its stage is tried again with backoff. */
export class TransientError extends AppError {
  constructor(code: string, message: string, options: AppErrorOptions = {}) {
    super('upstream', code, message, { ...options, retryable: true });
  }
}
