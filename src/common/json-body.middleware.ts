import { json, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { AppError, ValidationError } from './app-error.js';

/** Largest JSON body, in bytes. Audio and documents do not come as JSON. */
export const JSON_BODY_LIMIT_BYTES = 1024 * 1024;

/** More values than this in one JSON body, or deeper nesting, is refused before it is looked at: checking it would hold up everyone else. */
const MOST_VALUES = 10_000;
const DEEPEST = 64;

interface ParserError extends Error {
  type?: string;
  body?: string;
}

/** Parses JSON bodies; what is wrong with one is answered as FastAPI does: 422 `json_invalid`, and 413 over 1 MiB. */
export function jsonBody(): RequestHandler {
  // Any JSON value is let through: the validation pipe says what is wrong with one that is no object.
  const parse = json({ limit: JSON_BODY_LIMIT_BYTES, strict: false });
  // Nest looks for this name, and adds a parser of its own where it does not find it.
  return function jsonParser(request: Request, response: Response, next: NextFunction): void {
    const { 'content-type': type, 'content-length': length } = request.headers;
    // Most requests have no JSON: finding that out thoroughly would cost them more than the rest of this chain.
    // And of an empty body the parser would make an empty object, where FastAPI says that it is missing.
    if (type === undefined || length === '0' || !/json/i.test(type)) return next();
    parse(request, response, (error?: unknown) => {
      next(error === undefined ? excess(request.body) : translated(error as ParserError));
    });
  };
}

function excess(body: unknown): AppError | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  let count = 0;
  const pending: { value: object; depth: number }[] = [{ value: body, depth: 1 }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (next.depth > DEEPEST) {
      return new AppError('bad_request', 'body_too_deep', 'There was an error parsing the body');
    }
    const values: unknown[] = Array.isArray(next.value) ? next.value : Object.values(next.value);
    count += values.length;
    if (count > MOST_VALUES) {
      return new AppError('too_large', 'too_many_values', `The body holds more than ${MOST_VALUES} values`);
    }
    for (const value of values) {
      if (typeof value === 'object' && value !== null) pending.push({ value, depth: next.depth + 1 });
    }
  }
  return undefined;
}

function translated(error: ParserError): unknown {
  if (error.type === 'entity.too.large') {
    return new AppError('too_large', 'body_too_large', 'The request body is larger than 1 MiB');
  }
  if (error.type !== 'entity.parse.failed') return error;
  const text = error.body ?? '';
  return new ValidationError([
    {
      type: 'json_invalid',
      loc: ['body', offsetOf(error.message, text)],
      msg: 'JSON decode error',
      input: {},
      ctx: { error: error.message.replace(/ in JSON at position \d+.*$|, ".*" is not valid JSON$/s, '') },
    },
  ]);
}

/** Where parsing stopped, in characters. V8 names the place for most faults; where it does not, the text ended too early or is short. */
function offsetOf(message: string, text: string): number {
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  const token = /^Unexpected token '(.)'/su.exec(message)?.[1];
  return token === undefined ? text.length : Math.max(0, text.indexOf(token));
}
