import { mkdir } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { findProgram } from '../config/host.js';
import { EmbeddedServerError } from './embedded-server.error.js';
import { connects, type ServerCommand } from './server-process.js';

/**
 * How to run redis-server on a port of the loopback interface, with an append-only file under `folder`, which is made.
 *
 * @throws EmbeddedServerError naming the package to install when there is no redis-server
 */
export async function redisCommand(run: { port: number; folder: string; logFile: string }): Promise<ServerCommand> {
  const program = findProgram('redis-server');
  if (program === null) {
    throw new EmbeddedServerError(
      'redis_missing',
      'No redis-server on the PATH. Install it (`apt-get install redis-server`, `brew install redis`) or set REDIS_URL.',
    );
  }
  await mkdir(run.folder, { recursive: true });
  return {
    name: 'redis-server',
    program,
    arguments: [
      ...['--port', String(run.port), '--bind', '127.0.0.1', '--dir', run.folder, '--daemonize', 'no'],
      ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
      ...['--maxmemory-policy', 'noeviction'], // Bull's keys must never be evicted
    ],
    port: run.port,
    logFile: run.logFile,
    ping: () => pingRedis(run.port),
  };
}

/** Address of a Redis on this machine. */
export function redisUrl(port: number): string {
  return `redis://127.0.0.1:${port}`;
}

async function pingRedis(port: number): Promise<void> {
  await connects(port); // a client that was refused keeps a timer for two seconds
  const client = new Redis({
    ...{ host: '127.0.0.1', port, lazyConnect: true, connectTimeout: 1000, commandTimeout: 1000 },
    ...{ retryStrategy: null, maxRetriesPerRequest: 0 },
  });
  client.on('error', () => undefined); // the rejected connect says the same
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.disconnect();
  }
}
