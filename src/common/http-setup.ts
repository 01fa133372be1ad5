import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Application, RequestHandler } from 'express';
import helmet from 'helmet';
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from '../config/config.js';
import { CORRELATION_HEADER, correlationIdFrom } from './correlation.js';
import { wasAnsweredEarly } from './early-answer.js';
import { ErrorFilter } from './error.filter.js';
import { jsonBody } from './json-body.middleware.js';
import { Log } from './logging.js';
import { Metrics } from './metrics.js';
import { requestMiddleware } from './request.middleware.js';
import { ValidationPipe } from './validation.pipe.js';

/** Headers that pages of other origins may read. */
const EXPOSED_HEADERS = [
  'Content-Disposition',
  'Content-Range',
  'ETag',
  'Idempotency-Replayed',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Tus-Extension',
  'Tus-Max-Size',
  'Tus-Resumable',
  'Tus-Version',
  'Upload-Expires',
  'Upload-Length',
  'Upload-Metadata',
  'Upload-Offset',
  CORRELATION_HEADER,
];

const PREFLIGHT_MAX_AGE_S = 600;
/** Longer than the 60 s after which common balancers drop an idle connection, so that they never use one that just closed. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** Added to the longest upload, so that the intake's own limit is the one that is met. */
const REQUEST_TIMEOUT_MARGIN_MS = 30_000;

/**
 * Gives an application its HTTP manners: correlation ids, metrics, log lines, security headers, CORS, JSON bodies, validation
 * and FastAPI's errors. Call it before `init` or `listen`. The modules must provide `Log` and `Metrics`.
 */
export function configureHttp(
  app: NestExpressApplication,
  config: Config,
  log: Log = app.get(Log, { strict: false }),
): void {
  const express = app.getHttpAdapter().getInstance() as Application;
  express.disable('x-powered-by');
  // Hashing every response costs more than it saves: routes that support ETag make their own.
  express.disable('etag');
  // A proxy's rule for a path must not be got round by writing it in other letters. Nest has made the router already, so that
  // the application's setting would come too late.
  (express.router as unknown as { caseSensitive: boolean }).caseSensitive = true;
  express.set('trust proxy', config.TRUST_PROXY);

  app.use(requestMiddleware(log, app.get(Metrics, { strict: false })));
  app.use(securityHeaders());
  if (config.CORS_ORIGINS.length > 0) {
    app.enableCors({
      origin: config.CORS_ORIGINS.includes('*') ? '*' : [...config.CORS_ORIGINS],
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: PREFLIGHT_MAX_AGE_S,
    });
  }
  app.use(jsonBody());
  app.useGlobalPipes(new ValidationPipe());
  app.useGlobalFilters(new ErrorFilter(express, log));

  const server: Server = app.getHttpServer();
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.headersTimeout = KEEP_ALIVE_TIMEOUT_MS + 1000;
  server.requestTimeout = config.UPLOAD_TIMEOUT_S * 1000 + REQUEST_TIMEOUT_MARGIN_MS;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => answerBrokenRequest(error, socket, log));
}

function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'self'"],
        'base-uri': ["'none'"],
        'form-action': ["'self'"],
        'frame-ancestors': ["'none'"],
        'img-src': ["'self'", 'data:', 'blob:'],
        'media-src': ["'self'", 'blob:'],
        'object-src': ["'none'"],
        'script-src': ["'self'"],
        // Swagger UI and Redoc set styles from script, Redoc searches in a worker made from a blob.
        'style-src': ["'self'", "'unsafe-inline'"],
        'worker-src': ["'self'", 'blob:'],
      },
    },
    // Pages of the origins that CORS lets in read answers; what else may embed them is said by CORS, not here.
    crossOriginResourcePolicy: { policy: 'cross-origin' },
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    // Headers for browsers and plugins that are no more: each answer would pay for them.
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
}

/** Node's parser refused the request before Express saw it: it is answered in the same shape as every other error. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  // A request whose answer has begun must not get a second one.
  const begun = (socket as { _httpMessage?: ServerResponse })._httpMessage?.headersSent || wasAnsweredEarly(socket);
  if (error.code === 'ECONNRESET' || !socket.writable || begun) {
    socket.destroy();
    return;
  }
  const timedOut = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const status = timedOut ? '408 Request Timeout' : '400 Bad Request';
  const body = JSON.stringify({ detail: timedOut ? 'Request timed out' : 'Invalid HTTP request received.' });
  const id = correlationIdFrom(undefined);
  log.pino.info({ correlation_id: id, status: timedOut ? 408 : 400, code: error.code }, 'Broken request');
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `${CORRELATION_HEADER}: ${id}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
