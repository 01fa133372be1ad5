import { join } from 'node:path';
import { Module } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { HealthRegistry } from '../common/health.js';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { QueueModule } from '../queue/queue.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { CircuitTranscriber } from './circuit.transcriber.js';
import { Ffmpeg } from './ffmpeg.js';
import { LocalTranscriber } from './local.transcriber.js';
import { OpenAiTranscriber } from './openai.transcriber.js';
import { TranscriptCache } from './transcript-cache.js';
import { Transcriber } from './transcriber.js';
import { TranscriptionHandler } from './transcription.handler.js';

function makeTranscriber(config: Config, log: Log): Transcriber {
  const ffmpeg = new Ffmpeg(config, join(config.DATA_DIR, 'tmp'));
  const remote = config.TRANSCRIBER === 'openai' || (config.TRANSCRIBER === 'auto' && config.OPENAI_API_KEY !== null);
  if (!remote) return new LocalTranscriber(config, ffmpeg);
  const fallback = config.TRANSCRIBER_FALLBACK === 'local' ? new LocalTranscriber(config, ffmpeg) : null;
  return new CircuitTranscriber(new OpenAiTranscriber(config, ffmpeg), fallback, config.OPENAI_REST_S, log);
}

@Module({
  imports: [UploadsModule, QueueModule],
  providers: [
    { provide: Transcriber, useFactory: makeTranscriber, inject: [Config, Log] },
    TranscriptionHandler,
    TranscriptCache,
  ],
})
export class TranscriptionModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly transcriber: Transcriber,
    private readonly health: HealthRegistry,
  ) {}

  onModuleInit(): void {
    this.health.register('transcriber', async () => {
      await this.transcriber.check();
      return this.transcriber.id;
    });
    // Loading takes a second or two: better now than under the first answer. What fails here is told by readiness.
    this.transcriber.check().catch(() => undefined);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.transcriber.close();
  }
}
