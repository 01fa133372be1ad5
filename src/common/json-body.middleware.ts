import { type NextFunction, raw, type Request, type RequestHandler, type Response } from 'express';
import { AppError, ValidationError } from './app-error.js';
import { jsonFault } from './json-fault.js';

/** Largest JSON body, in bytes. Audio and documents do not come as JSON. */
export const JSON_BODY_LIMIT_BYTES = 1024 * 1024;

/** More values than this in one JSON body, or deeper nesting, is refused before it is looked at: checking it would hold up everyone else. */
const MOST_VALUES = 10_000;
const DEEPEST = 64;

/** What FastAPI parses: `application/json` and `application/…+json`. */
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;
/** What a client sends that meant JSON and did not say so: curl with `-d`, fetch with a string. */
const TEXT_TYPE = /^(?:text\/|application\/x-www-form-urlencoded)/i;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Stands for a body with which something is wrong: the validation pipe says so to who wants a body, and nobody else cares. */
export class BrokenBody {
  constructor(readonly fault: unknown) {}
}

/**
 * Parses JSON bodies; what is wrong with one is answered as FastAPI does where a body is wanted: 422 `json_invalid`, 400 if it is
 * no UTF-8, and 413 over 1 MiB. A body that is called text stays one, so that validation can say that it is not what was wanted.
 */
export function jsonBody(): RequestHandler {
  const read = raw({ limit: JSON_BODY_LIMIT_BYTES, type: () => true });
  // Nest looks for this name, and adds a parser of its own where it does not find it.
  return function jsonParser(request: Request, response: Response, next: NextFunction): void {
    const { 'content-type': type, 'content-length': length } = request.headers;
    // Most requests have no JSON: finding that out thoroughly would cost them more than the rest of this chain.
    if (type === undefined || length === '0') return next();
    const isJson = JSON_TYPE.test(type);
    if (!isJson && !TEXT_TYPE.test(type)) return next();
    read(request, response, (error?: unknown) => {
      if (error !== undefined) return next(translated(error as Error & { type?: string }));
      const bytes: unknown = request.body;
      request.body = undefined;
      // Of an empty body FastAPI says that it is missing.
      if (!(bytes instanceof Buffer) || bytes.length === 0) return next();
      try {
        request.body = isJson ? parsed(bytes) : bytes.toString();
      } catch (fault) {
        request.body = new BrokenBody(fault);
      }
      next();
    });
  };
}

/** Any JSON value is let through: the validation pipe says what is wrong with one that is no object. */
function parsed(bytes: Buffer): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (cause) {
    throw new AppError('bad_request', 'body_not_utf8', 'There was an error parsing the body', { cause });
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    const { at, words } = jsonFault(text) ?? { at: 0, words: 'Expecting value' };
    throw new ValidationError([
      { type: 'json_invalid', loc: ['body', at], msg: 'JSON decode error', input: {}, ctx: { error: words } },
    ]);
  }
  refuseExcess(body);
  return body;
}

function refuseExcess(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  let count = 0;
  const pending: { value: object; depth: number }[] = [{ value: body, depth: 1 }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (next.depth > DEEPEST) {
      throw new AppError('bad_request', 'body_too_deep', 'There was an error parsing the body');
    }
    const values: unknown[] = Array.isArray(next.value) ? next.value : Object.values(next.value);
    count += values.length;
    if (count > MOST_VALUES) {
      throw new AppError('too_large', 'too_many_values', `The body holds more than ${MOST_VALUES} values`);
    }
    for (const value of values) {
      if (typeof value === 'object' && value !== null) pending.push({ value, depth: next.depth + 1 });
    }
  }
}

function translated(error: Error & { type?: string }): unknown {
  return error.type === 'entity.too.large'
    ? new AppError('too_large', 'body_too_large', 'The request body is larger than 1 MiB')
    : error;
}
