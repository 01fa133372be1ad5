import { HttpException } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import { AppError, type ErrorKind, ValidationError, type ValidationIssue } from './app-error.js';
import { correlationId } from './correlation.js';
import { isMongoAway, isMongoFull } from './mongo-errors.js';

/** What the caller gets for an error. */
export interface ErrorResponse {
  status: number;
  body: { detail: string | ValidationIssue[]; correlation_id?: string };
  headers: Record<string, string>;
}

const STATUS_OF: Record<ErrorKind, number> = {
  bad_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported_media_type: 415,
  invalid: 422,
  rate_limited: 429,
  upstream: 502,
  unavailable: 503,
};

/** Seconds a caller is asked to wait when the error does not say. */
const DEFAULT_RETRY_AFTER_S = 5;
/** Room has to be made by a person. */
const FULL_RETRY_S = 60;

/** Multer's codes that are a matter of size; all others are a broken or unexpected form. */
const MULTER_TOO_LARGE = new Set(['LIMIT_FILE_SIZE', 'LIMIT_FIELD_VALUE']);

/** Translates any error, once, into status, FastAPI's body and headers. An unexpected one tells nothing but the correlation id. */
export function errorResponse(error: unknown): ErrorResponse {
  if (error instanceof ValidationError) return respond(422, error.issues, error.headers);
  if (error instanceof AppError) return ofAppError(error);
  if (isMongoFull(error)) {
    return respond(
      507,
      'There is no room left for this at the moment. Please try again later.',
      retryAfter(FULL_RETRY_S),
    );
  }
  if (isMongoAway(error)) {
    return respond(503, 'The database cannot be reached at the moment. Please try again.', retryAfter());
  }
  if (error instanceof HttpException) return ofHttpException(error);
  if (error instanceof Error && error.name === 'MulterError') return ofMulter(error);
  if (isExposedHttpError(error)) return respond(error.statusCode, error.message);
  return unexpected();
}

function respond(
  status: number,
  detail: string | ValidationIssue[],
  headers: Record<string, string> = {},
): ErrorResponse {
  return { status, body: { detail }, headers };
}

function retryAfter(seconds = DEFAULT_RETRY_AFTER_S): Record<string, string> {
  return { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) };
}

function ofAppError(error: AppError): ErrorResponse {
  const headers = { ...error.headers };
  if (error.kind === 'unauthenticated') headers['WWW-Authenticate'] ??= 'Bearer';
  const mustWait = error.kind === 'rate_limited' || error.kind === 'unavailable';
  if (mustWait || error.retryAfter !== undefined) Object.assign(headers, retryAfter(error.retryAfter));
  return respond(STATUS_OF[error.kind], error.message, headers);
}

function ofHttpException(error: HttpException): ErrorResponse {
  const status = error.getStatus();
  if (status >= 500 && status !== 503) return unexpected();
  const headers: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
  if (status === 429 || status === 503) Object.assign(headers, retryAfter());
  const body = error.getResponse();
  const message: unknown = typeof body === 'string' ? body : (body as { message?: unknown }).message;
  const detail = Array.isArray(message) ? message.join('; ') : typeof message === 'string' ? message : error.message;
  return respond(status, detail || (STATUS_CODES[status] ?? 'Error'), headers);
}

function ofMulter(error: Error): ErrorResponse {
  const { code, field } = error as Error & { code?: string; field?: string };
  if (MULTER_TOO_LARGE.has(code ?? '')) return respond(413, error.message);
  if (code === 'LIMIT_UNEXPECTED_FILE') {
    const loc = ['body', ...(field === undefined ? [] : [field])];
    return respond(422, [{ type: 'extra_forbidden', loc, msg: 'Extra inputs are not permitted', input: null }]);
  }
  return respond(400, error.message);
}

/** Errors of body-parser, Express and Node's parsers that are the caller's fault and say so themselves. */
function isExposedHttpError(error: unknown): error is Error & { statusCode: number } {
  if (!(error instanceof Error)) return false;
  const { statusCode, expose } = error as { statusCode?: unknown; expose?: unknown };
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 && expose !== false;
}

function unexpected(): ErrorResponse {
  const id = correlationId();
  const body = { detail: 'Internal Server Error', ...(id === undefined ? {} : { correlation_id: id }) };
  return { status: 500, body, headers: {} };
}
