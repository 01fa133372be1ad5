import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { Application, Request, Response } from 'express';
import { allowedMethods } from './allowed-methods.js';
import { answerEarly, isBodyComing } from './early-answer.js';
import { errorResponse, type ErrorResponse } from './error-response.js';
import type { Log } from './logging.js';

/** Answers every error in FastAPI's manner; the only place where errors become HTTP. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly log;

  constructor(
    private readonly application: Application,
    log: Log,
  ) {
    this.log = log.child({ context: 'http' });
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();

    const answer = this.unmatched(request, error) ?? errorResponse(error);
    if (answer.status >= 500) {
      const level = answer.status === 500 ? 'error' : 'warn';
      this.log[level]({ err: error, method: request.method, route: routeOf(request) }, 'Request failed');
    }
    if (response.headersSent) {
      // Half an answer must not look like a whole one.
      request.socket.destroy();
      return;
    }
    if (request.destroyed && !request.complete) return;
    if (isBodyComing(request)) answerEarly(request, response);
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
    response.status(answer.status).json(answer.body);
  }

  /** A path that no route took: 405 if another method would have, else 404. */
  private unmatched(request: Request, error: unknown): ErrorResponse | null {
    const taken = routeOf(request) !== undefined && !isStrayHead(request);
    if (taken || !(error instanceof HttpException) || error.getStatus() !== 404) return null;
    const allowed = allowedMethods(this.application, request.path);
    if (allowed.length === 0) return { status: 404, body: { detail: 'Not Found' }, headers: {} };
    return { status: 405, body: { detail: 'Method Not Allowed' }, headers: { Allow: allowed.join(', ') } };
  }
}

function routeOf(request: Request): string | undefined {
  return (request.route as { path?: string } | undefined)?.path;
}

/** Express looks at every route for a HEAD, and leaves the last one on the request though it does not answer it. */
function isStrayHead({ method, route }: Request): boolean {
  const { methods } = (route ?? {}) as { methods?: Record<string, boolean> };
  return method === 'HEAD' && methods !== undefined && !methods['get'] && !methods['head'];
}
