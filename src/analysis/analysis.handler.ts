import { Injectable } from '@nestjs/common';
import { PermanentError } from '../common/app-error.js';
import { Config } from '../config/config.js';
import { QueuePace } from '../queue/queue-pace.js';
import { StageHandler } from '../queue/stage-handler.js';
import type { StageContext } from '../queue/stage-handler.js';
import { StageWorker } from '../queue/stage-worker.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { Scorer } from './scorer.js';

/** The stage `analysis`: a transcript and its question in, an explained score on the row. */
@Injectable()
export class AnalysisHandler extends StageHandler {
  readonly stage = 'analysis';
  // With answers queueing up, a transcript shown soon is worth more than a score shown soon.
  override readonly yieldsTo = 'transcription';
  // The answer shows its transcript already; "being scored" is told by the score that is not there yet.
  readonly showsProgress = false;
  readonly concurrency: number;
  readonly timeoutS: number;
  readonly unexpected = 'The scoring failed for a reason that is not known; it is tried again';

  constructor(
    private readonly scorer: Scorer,
    private readonly sessions: SessionRepository,
    private readonly pace: QueuePace,
    worker: StageWorker,
    config: Config,
  ) {
    super();
    this.concurrency = config.ANALYSIS_CONCURRENCY;
    this.timeoutS = config.ANALYSIS_TIMEOUT_S;
    worker.register(this);
  }

  async run({ row, signal }: StageContext): Promise<Partial<Upload>> {
    const session = await this.sessions.find(row.user_id, row.session_id);
    if (!session || !row.transcript) {
      throw new PermanentError('nothing_to_score', 'The session or the transcript is not there any more');
    }
    const started = performance.now();
    const question = session.questions.find(({ id }) => id === row.question_id);
    const { text, segments, duration, language } = row.transcript;
    const analysis = await this.scorer.score({
      question: question?.text ?? '',
      modelAnswer: question?.model_answer ?? null,
      role: session.role,
      transcript: text,
      segments,
      duration,
      source: row.source,
      language: language ?? row.language,
      signal,
    });
    this.pace.note(this.stage, (performance.now() - started) / 1000, this.concurrency);
    return { analysis };
  }

  next(): readonly StageName[] {
    return [];
  }

  async finished(): Promise<void> {
    // Nothing is left over: the score is on the row and shown.
  }
}
