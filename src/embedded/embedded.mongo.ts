import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedServerError } from './embedded-server.error.js';
import { type EngineName, mongoCommand, mongoUri, resolveMongoEngine } from './mongo-engine.js';
import { type EmbeddedLog, SupervisedServer } from './supervised.server.js';

/** The MongoDB of a laptop: the best engine of the machine as a child process, its data in `DATA_DIR/mongodb`. */
export class EmbeddedMongo {
  private constructor(
    private readonly server: SupervisedServer,
    /** Whether what it acknowledges outlives it. */
    readonly keepsData: boolean,
  ) {}

  /** @throws EmbeddedServerError when there is no engine, the folder is in use, or the engine does not start */
  static async start(
    options: { dataDir: string; port: number | null; mayDownload: boolean },
    log: EmbeddedLog,
  ): Promise<EmbeddedMongo> {
    const folder = join(options.dataDir, 'mongodb');
    // The engines cannot read each other's files: a folder stays with the one that wrote it.
    const mark = join(folder, 'ENGINE');
    const only = (await readFile(mark, 'utf8').catch(() => '')).trim() as EngineName | '';
    const engine = await resolveMongoEngine({
      mayDownload: options.mayDownload,
      say: (message) => log.log(message),
      ...(only === '' ? {} : { only }),
    }).catch((cause: unknown) => {
      if (only === '') throw cause;
      throw new EmbeddedServerError(
        'mongodb_missing',
        `${folder} was written by ${only}, which is not to be found any more. Install it, or set another DATA_DIR.`,
        cause,
      );
    });
    if (!engine.keepsData)
      log.warn('jongodb keeps everything in memory: NOTHING OUTLIVES THIS PROCESS. Install mongod.');
    const server = await SupervisedServer.start({
      leaseFile: join(options.dataDir, 'mongodb.lease'),
      port: options.port,
      command: (port) => mongoCommand(engine, { port, folder, logFile: join(options.dataDir, 'logs', 'mongodb.log') }),
      log,
    });
    if (engine.keepsData) {
      await mkdir(folder, { recursive: true });
      await writeFile(mark, `${engine.name}\n`);
    }
    return new EmbeddedMongo(server, engine.keepsData);
  }

  get uri(): string {
    return mongoUri(this.server.port);
  }

  get pid(): number {
    return this.server.pid;
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}
