import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { getConnectionToken } from '@nestjs/mongoose';
import { mongo } from 'mongoose';
import type { Connection } from 'mongoose';
import { AppModule } from './app.module.js';
import { AppError } from './common/app-error.js';
import { Log, NestLog } from './common/logging.js';
import { Config } from './config/config.js';
import { startEmbedded } from './embedded/embedded.js';
import { runningEmbedded } from './embedded/running.js';

/** Seconds are enough for who waits at a terminal; a service goes on trying. */
const PATIENCE_MS = 5000;

/** @throws AppError `database_away`, instead of all that a service would write to its log until it gave up */
async function reach(uri: string): Promise<void> {
  const client = new mongo.MongoClient(uri, { serverSelectionTimeoutMS: PATIENCE_MS });
  try {
    await client.connect();
  } catch (cause) {
    const message = `MongoDB cannot be reached: ${(cause as Error).message}`;
    throw new AppError('unavailable', 'database_away', message, { cause });
  } finally {
    await client.close();
  }
}

/**
 * Runs `use` with the services of an API process, without its HTTP: on the configured databases, on the embedded ones that a
 * service with the same `DATA_DIR` is running, or on embedded ones of its own for the time being.
 *
 * @throws EmbeddedServerError, AppError `database_away`, or what Nest and MongoDB fail with
 */
export async function withServices<T>(config: Config, use: (app: INestApplicationContext) => Promise<T>): Promise<T> {
  // What a command prints is its result: the log says only what went wrong.
  const LOG_LEVEL = config.LOG_LEVEL === 'info' ? 'error' : config.LOG_LEVEL;
  const given: { -readonly [K in keyof Config]: Config[K] } = Object.assign(new Config(), config, { LOG_LEVEL });
  const logger = new NestLog(new Log(given));
  const running = await runningEmbedded(given);
  given.MONGODB_URI ??= running.mongodbUri;
  if (given.REDIS_HOST === null) given.REDIS_URL ??= running.redisUrl;
  const databases = await startEmbedded(given, logger);
  try {
    const resolved = Object.freeze(
      Object.assign(given, { MONGODB_URI: databases.mongodbUri, REDIS_URL: databases.redisUrl }),
    );
    await reach(databases.mongodbUri);
    const app = await NestFactory.createApplicationContext(AppModule.forRole('api', resolved), {
      logger,
      abortOnError: false,
    });
    try {
      for (const model of Object.values(app.get<Connection>(getConnectionToken()).models)) await model.createIndexes();
      return await use(app);
    } finally {
      await app.close();
    }
  } finally {
    await databases.stop();
  }
}
