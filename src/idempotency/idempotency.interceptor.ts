import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { User } from '../auth/user.js';
import { Log } from '../common/logging.js';
import { Idempotency, otherContent } from './idempotency.js';

/** A route of which no answer is kept: a repetition comes to its handler, marked as one, which looks anew. */
export const ANSWERS_ANEW = 'idempotency:anew';

export type RepeatableRequest = Request & { user?: User; isRepetition?: boolean };

/** Carries a request with a JSON body out once per `Idempotency-Key`; without the header it does nothing. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly log;

  constructor(
    private readonly idempotency: Idempotency,
    private readonly reflector: Reflector,
    log: Log,
  ) {
    this.log = log.child({ context: 'idempotency' });
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<RepeatableRequest>();
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string' || !request.user) return next.handle();
    const anew = this.reflector.get<boolean | undefined>(ANSWERS_ANEW, context.getHandler()) ?? false;
    return from(this.once(key, request, request.user, http.getResponse<Response>(), next, anew));
  }

  private async once(
    key: string,
    request: RepeatableRequest,
    user: User,
    response: Response,
    next: CallHandler,
    anew: boolean,
  ) {
    const answer = (): Promise<unknown> => lastValueFrom(next.handle(), { defaultValue: undefined });
    const route = `${request.method} ${request.path}`;
    const fingerprint = fingerprintOf([request.query, request.body]);
    const { claim, earlier } = await this.idempotency.begin({ userId: user.id, route, key });
    if (earlier) {
      if (earlier.fingerprint !== fingerprint) throw otherContent();
      response.setHeader('Idempotency-Replayed', 'true');
      if (!anew) return earlier.body;
      request.isRepetition = true;
      return answer();
    }
    const done = this.idempotency.keep(claim);
    let body: unknown;
    try {
      body = await answer();
    } catch (error) {
      await this.quietly('release', this.idempotency.release(claim));
      throw error;
    } finally {
      done();
    }
    // The work is done: that its answer could not be remembered must not turn it into a failure.
    const told = { status: response.statusCode, body: anew ? null : body };
    await this.quietly('complete', this.idempotency.complete(claim, fingerprint, told, sessionOf(request, body)));
    return body;
  }

  private async quietly(step: string, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.log.warn({ err: error, step }, 'Idempotency record could not be written');
    }
  }
}

/** The session that a request was about, or made; its route as it is declared, however the address was written. */
function sessionOf({ route, params }: Request, body: unknown): string | null {
  const { path } = route as { path: string };
  const named = params['session_id'] ?? (path === '/api/sessions' ? (body as { id?: unknown } | undefined)?.id : null);
  return typeof named === 'string' ? named : null;
}

/** SHA-256 of a JSON value, the same for every order of its keys. */
export function fingerprintOf(content: unknown): string {
  return createHash('sha256').update(canonical(content)).digest('base64url');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`);
  return `{${fields.join(',')}}`;
}
