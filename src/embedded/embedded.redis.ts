import { join } from 'node:path';
import { redisCommand, redisUrl } from './redis-command.js';
import { type EmbeddedLog, SupervisedServer } from './supervised.server.js';

/** The Redis of a laptop: redis-server as a child process, its append-only file in `DATA_DIR/redis`. */
export class EmbeddedRedis {
  private constructor(private readonly server: SupervisedServer) {}

  /** @throws EmbeddedServerError when there is no redis-server, the folder is in use, or it does not start */
  static async start(options: { dataDir: string; port: number | null }, log: EmbeddedLog): Promise<EmbeddedRedis> {
    const run = { folder: join(options.dataDir, 'redis'), logFile: join(options.dataDir, 'logs', 'redis.log') };
    const server = await SupervisedServer.start({
      leaseFile: join(options.dataDir, 'redis.lease'),
      port: options.port,
      command: (port) => redisCommand({ ...run, port }),
      log,
    });
    return new EmbeddedRedis(server);
  }

  get url(): string {
    return redisUrl(this.server.port);
  }

  get pid(): number {
    return this.server.pid;
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}
