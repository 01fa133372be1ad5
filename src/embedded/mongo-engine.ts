import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mongoose from 'mongoose';
import { cacheFolder, findProgram, isRunnable } from '../config/host.js';
import { EmbeddedServerError } from './embedded-server.error.js';
import { connects, type ServerCommand } from './server-process.js';

export type EngineName = 'mongod' | 'secantusd-rs' | 'jongodb';

/** A program on this machine that speaks MongoDB's protocol. */
export interface MongoEngine {
  name: EngineName;
  program: string;
  /** Whether acknowledged writes outlive the process. */
  keepsData: boolean;
}

export interface EngineChoice {
  mayDownload: boolean;
  /** Takes no other engine: the one whose files are already in the data folder. */
  only?: EngineName;
  /** Told what takes long, or was tried in vain. */
  say?: (message: string) => void;
}

/**
 * The best MongoDB engine of this machine: mongod on the PATH, mongod as mongodb-memory-server downloads it, secantusd-rs on
 * the PATH or as `scripts/bootstrap` built it into the cache folder, jongodb from its npm package. One that does not run
 * (a library is missing, the CPU is too old) is passed over.
 *
 * @throws EmbeddedServerError naming the ways out when there is none
 */
export async function resolveMongoEngine(choice: EngineChoice): Promise<MongoEngine> {
  const say = choice.say ?? (() => undefined);
  const wanted = (name: EngineName) => choice.only === undefined || choice.only === name;
  if (wanted('mongod')) {
    for (const find of [
      async () => findProgram('mongod'),
      async () => (choice.mayDownload ? await download(say) : null),
    ]) {
      const program = await find();
      if (program !== null && (await runs(program, say))) return { name: 'mongod', program, keepsData: true };
    }
  }
  if (wanted('secantusd-rs')) {
    const built = join(cacheFolder(), 'secantus', 'bin', 'secantusd-rs');
    const program = findProgram('secantusd-rs') ?? (isRunnable(built) ? built : null);
    if (program !== null && (await runs(program, say))) return { name: 'secantusd-rs', program, keepsData: true };
  }
  const jongodb = wanted('jongodb') ? findJongodb() : null;
  if (jongodb !== null) return { name: 'jongodb', program: jongodb, keepsData: false };
  throw new EmbeddedServerError(
    'mongodb_missing',
    `No ${choice.only ?? 'MongoDB'} on this machine. Set MONGODB_URI, install mongod, or run \`scripts/bootstrap --mongo\`.`,
  );
}

/** How to run an engine on a port of the loopback interface, with its data under `folder`, which is made. */
export async function mongoCommand(
  engine: MongoEngine,
  run: { port: number; folder: string; logFile: string },
): Promise<ServerCommand> {
  await mkdir(run.folder, { recursive: true });
  const port = String(run.port);
  const byEngine: Record<EngineName, string[]> = {
    // No replica set: its configuration names the port, which changes from start to start, and nothing here needs one.
    mongod: [
      ...['--dbpath', run.folder, '--bind_ip', '127.0.0.1', '--port', port],
      ...['--nounixsocket', '--wiredTigerCacheSizeGB', '0.25', '--quiet'],
    ],
    // Without --sync-on-commit its acknowledged writes do not outlive a kill -9, whatever the write concern says.
    'secantusd-rs': [
      ...['--host', '127.0.0.1', '--port', port, '--storage-path', run.folder, '--sync-on-commit'],
      ...['--cache-size', '256M', '--log-level', 'WARNING'],
    ],
    jongodb: ['--host=127.0.0.1', `--port=${port}`],
  };
  return {
    name: engine.name,
    program: engine.program,
    arguments: byEngine[engine.name],
    port: run.port,
    logFile: run.logFile,
    ping: () => pingMongo(run.port),
  };
}

/** Address of an engine on this machine, straight to it: a stand-in that claims to be a replica set is taken at its port. */
export function mongoUri(port: number): string {
  return `mongodb://127.0.0.1:${port}/?directConnection=true`;
}

async function pingMongo(port: number): Promise<void> {
  await connects(port); // the driver would wait half a second before its second try
  const client = new mongoose.mongo.MongoClient(mongoUri(port), {
    serverSelectionTimeoutMS: 1000,
    connectTimeoutMS: 1000,
  });
  try {
    await client.db('admin').command({ ping: 1 });
  } finally {
    await client.close();
  }
}

async function runs(program: string, say: (message: string) => void): Promise<boolean> {
  try {
    await promisify(execFile)(program, ['--version'], { timeout: 10_000 });
    return true;
  } catch (error) {
    say(`${program} does not run and is passed over: ${(error as Error).message.split('\n')[0] ?? ''}`);
    return false;
  }
}

/** What downloads it is loaded where it is wanted: hardly ever, and never where there is a MongoDB. */
async function download(say: (message: string) => void): Promise<string | null> {
  const { downloadMongod } = await import('./mongod.download.js');
  return downloadMongod(say);
}

function findJongodb(): string | null {
  const onPath = findProgram('jongodb');
  if (onPath !== null) return onPath;
  try {
    const program = createRequire(import.meta.url).resolve('@jongodb/memory-server-bin-linux-x64-gnu/bin/jongodb');
    return isRunnable(program) ? program : null;
  } catch {
    return null;
  }
}
