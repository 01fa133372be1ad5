import { Module } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { QueueModule } from '../queue/queue.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AnalysisHandler } from './analysis.handler.js';
import { CircuitScorer } from './circuit.scorer.js';
import { MeaningEngine } from './meaning/meaning-engine.js';
import { OpenAiScorer } from './openai.scorer.js';
import { RubricScorer } from './rubric.scorer.js';
import { Scorer } from './scorer.js';

function makeScorer(config: Config, log: Log): Scorer {
  const remote = config.SCORER === 'openai' || (config.SCORER === 'auto' && config.OPENAI_API_KEY !== null);
  if (remote) return new CircuitScorer(new OpenAiScorer(config), config.OPENAI_REST_S, log);
  return new RubricScorer(new MeaningEngine({ memoryLimitMb: config.LOCAL_MEMORY_LIMIT_MB }));
}

@Module({
  imports: [QueueModule, SessionsModule],
  providers: [{ provide: Scorer, useFactory: makeScorer, inject: [Config, Log] }, AnalysisHandler],
})
export class AnalysisModule implements OnApplicationShutdown {
  constructor(private readonly scorer: Scorer) {}

  async onApplicationShutdown(): Promise<void> {
    await this.scorer.close();
  }
}
