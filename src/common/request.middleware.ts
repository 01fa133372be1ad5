import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { CORRELATION_HEADER, correlationIdFrom, runWithCorrelation } from './correlation.js';
import type { Log } from './logging.js';
import type { Metrics } from './metrics.js';

/** The status that is counted for a caller who hung up before the answer (nginx's number for it). */
const CLIENT_CLOSED_REQUEST = 499;
const READ_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

const templates = new Map<string, string>();

/** Gives each request its correlation id, and counts and logs it when it ends. Plain middleware: it runs on every request. */
export function requestMiddleware(log: Log, metrics: Metrics): RequestHandler {
  const logger = log.child({ context: 'http' });
  return function aroundRequest(request: Request, response: Response, next: NextFunction): void {
    const id = correlationIdFrom(request.headers['x-correlation-id']);
    const started = performance.now();
    response.setHeader(CORRELATION_HEADER, id);
    response.on('close', () => {
      const elapsed = performance.now() - started;
      const status = response.writableFinished ? response.statusCode : CLIENT_CLOSED_REQUEST;
      const route = routeTemplate(request);
      metrics.observeRequest(request.method, route, status, elapsed / 1000);
      const level = levelOf(request.method, route, status);
      if (!logger.isLevelEnabled(level)) return;
      logger[level](
        {
          correlation_id: id,
          method: request.method,
          route,
          status,
          ms: Math.round(elapsed * 100) / 100,
          user_id: (request as { user?: { id: string } }).user?.id,
          bytes_in: byteCount(request.headers['content-length']),
          bytes_out: byteCount(response.getHeader('content-length')),
        },
        'request',
      );
    });
    runWithCorrelation(id, next);
  };
}

/** The matched route as OpenAPI writes it (`/api/sessions/{session_id}`), or `unmatched`: never a path with ids in it. */
export function routeTemplate(request: Request): string {
  const path = (request.route as { path?: unknown } | undefined)?.path;
  if (typeof path !== 'string') return 'unmatched';
  let template = templates.get(path);
  if (template === undefined) {
    template = path.replace(/:(\w+)/g, '{$1}');
    templates.set(path, template);
  }
  return template;
}

function levelOf(method: string, route: string, status: number): 'info' | 'debug' | 'trace' {
  if (route === '/metrics' || route.startsWith('/health/')) return 'trace';
  return READ_METHODS.has(method) && status < 400 ? 'debug' : 'info';
}

function byteCount(header: number | string | string[] | undefined): number | undefined {
  const count = Number(header);
  return header === undefined || Number.isNaN(count) ? undefined : count;
}
