import { mkdir } from 'node:fs/promises';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { getConnectionToken } from '@nestjs/mongoose';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Connection } from 'mongoose';
import { AppModule } from './app.module.js';
import type { Role } from './app.module.js';
import { AppError } from './common/app-error.js';
import { HealthRegistry } from './common/health.js';
import { configureHttp } from './common/http-setup.js';
import { Log, NestLog } from './common/logging.js';
import { Config, ConfigError } from './config/config.js';
import { startEmbedded } from './embedded/embedded.js';
import { buildOpenApi } from './ops/openapi.js';
import { serveDocs } from './ops/docs.js';

/** What open connections are given to end between requests. */
const DRAIN_MS = 1000;

/** A running process of one role. */
export interface Service {
  readonly app: NestExpressApplication;
  /** Where it listens, `http://host:port`. */
  readonly url: string;
  /** False when an embedded MongoDB forgets everything at its end. */
  readonly keepsData: boolean;
  /** Stops accepting, finishes or gives back what is in hand, within `SHUTDOWN_TIMEOUT_S`. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a process of one role, with embedded databases where the configuration names none.
 *
 * @throws EmbeddedServerError, or what Nest and MongoDB fail with
 */
export async function startService(role: Role, config: Config): Promise<Service> {
  const log = new Log(config);
  const logger = new NestLog(log);
  await makeDataFolder(config.DATA_DIR, log);
  const databases = await startEmbedded(config, logger);
  const resolved = Object.freeze(
    Object.assign(new Config(), config, { MONGODB_URI: databases.mongodbUri, REDIS_URL: databases.redisUrl }),
  );
  try {
    const app = await NestFactory.create<NestExpressApplication>(AppModule.forRole(role, resolved), {
      logger,
      bodyParser: false,
      abortOnError: false,
    });
    configureHttp(app, resolved);
    if (role !== 'worker') serveDocs(app, () => buildOpenApi(app));
    await app.init();
    await ensureIndexes(app.get<Connection>(getConnectionToken()));
    const port = role === 'worker' ? config.WORKER_PORT : config.PORT;
    await app.listen(port, config.HOST).catch((error: NodeJS.ErrnoException) => {
      throw listenFault(error, role === 'worker' ? 'WORKER_PORT' : 'PORT') ?? error;
    });
    const address = app.getHttpServer().address() as AddressInfo;
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    const url = `http://${host}:${address.port}`;
    log.pino.info({ role, url, pid: process.pid }, 'Vivavoce is ready');
    let stopped: Promise<void> | null = null;
    const stop = () => (stopped ??= stopApp(app, role, config, log).finally(() => databases.stop()));
    return { app, url, keepsData: databases.keepsData, stop };
  } catch (error) {
    await databases.stop();
    throw error;
  }
}

/** With databases and keys of its own elsewhere a process writes nothing there, but its space is watched. */
async function makeDataFolder(folder: string, log: Log): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    log.pino.warn({ err: error }, 'DATA_DIR cannot be made: its space is not watched');
  }
}

/** The schemas declare the indexes, here they are made: once the connection stands, before the first request. */
async function ensureIndexes(connection: Connection): Promise<void> {
  for (const model of Object.values(connection.models)) await model.createIndexes();
}

/**
 * Lets go of connections between requests, not under them: for a moment every answer says that its connection ends with it. A
 * client that reuses a connection which is closed at that very instant would see a reset and could not know what became of its request.
 *
 * @param leastMs goes on for so long even where no connection is open: balancers make new ones until they have seen that it is not ready
 */
async function drain(server: Server, leastMs: number): Promise<void> {
  const open = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
  const forMs = Math.max(leastMs, open === 0 ? 0 : DRAIN_MS);
  if (forMs === 0) return;
  server.prependListener('request', (_request, response: ServerResponse) => response.setHeader('Connection', 'close'));
  await pause(forMs);
}

async function stopApp(app: NestExpressApplication, role: Role, config: Config, log: Log): Promise<void> {
  app.get(HealthRegistry).register('shutdown', async () => {
    throw new AppError('unavailable', 'stopping', 'the process is stopping');
  });
  log.pino.info({ pid: process.pid }, 'Stopping');
  const server = app.getHttpServer();
  // Nobody sends anything to a worker.
  await drain(server, role === 'worker' ? 0 : config.SHUTDOWN_DRAIN_S * 1000);
  const late = setTimeout(() => server.closeAllConnections(), config.SHUTDOWN_TIMEOUT_S * 1000);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // The workers' part begins now, beside the last requests, not after them.
  await Promise.all([closed, app.close()]);
  clearTimeout(late);
  log.pino.info({ pid: process.pid }, 'Stopped');
}

/** What whoever starts it can put right. */
function listenFault({ code, message }: NodeJS.ErrnoException, port: string): ConfigError | null {
  const wrong: Record<string, string> = {
    EADDRINUSE: `${port}: is in use by another process`,
    EACCES: `${port}: this user may not listen there`,
    EADDRNOTAVAIL: 'HOST: is no address of this machine',
    ENOTFOUND: 'HOST: is not known',
    EAI_AGAIN: 'HOST: is not known',
  };
  const fault = wrong[code ?? ''];
  return fault === undefined ? null : new ConfigError([`${fault} (${message})`]);
}
