import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ConflictError } from '../common/app-error.js';
import { Log } from '../common/logging.js';
import { Config } from '../config/config.js';
import { QueuePace } from '../queue/queue-pace.js';
import { answerView } from '../sessions/answer.view.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { Answer, InterviewSession } from '../sessions/session.schema.js';
import { Ledger } from '../uploads/ledger.js';
import type { AnalysisDone, AnalysisPending } from './answer.dto.js';

const FIRST_LOOK_MS = 50;
const LONGEST_LOOK_MS = 1000;

/** Adds up what the analysis stage has scored already. */
@Injectable()
export class AnalyzeService {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly ledger: Ledger,
    private readonly pace: QueuePace,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  /**
   * The session's score, or what it still waits for. Scoring that is under way is waited for, up to `ANALYZE_WAIT_S`.
   *
   * @throws NotFoundError, ConflictError when nothing was answered yet
   */
  async analyze(userId: string, sessionId: string): Promise<AnalysisDone | AnalysisPending> {
    const giveUp = Date.now() + this.config.ANALYZE_WAIT_S * 1000;
    for (let look = FIRST_LOOK_MS; ; look = Math.min(look * 2, LONGEST_LOOK_MS)) {
      const session = await this.sessions.get(userId, sessionId);
      const answers = Object.values(session.answers);
      const pending = new Set(inState(answers, 'queued'));
      for (const { _id, question_id } of await this.ledger.arriving(userId, sessionId))
        if (session.answers[question_id]?.upload_id !== _id.toHexString()) pending.add(question_id);
      const transcribing = inState(answers, 'processing').filter((id) => !pending.has(id)).length;
      if (pending.size + transcribing > 0) return this.pending('transcription', pending.size, transcribing);
      if (answers.length === 0) throw new ConflictError('no_answers', 'There are no answers to analyze yet');
      const scoring = count(answers, isBeingScored);
      if (scoring === 0) return this.done(session, answers);
      if (Date.now() + look > giveUp) return this.pending('analysis', 0, scoring);
      await pause(look);
    }
  }

  private async pending(
    stage: 'transcription' | 'analysis',
    queued: number,
    running: number,
  ): Promise<AnalysisPending> {
    const waiting = queued + running;
    const noun = `${stage === 'analysis' ? 'score' : 'transcription'}${waiting === 1 ? '' : 's'}`;
    return {
      status: 'transcription_pending',
      stage,
      message: `Waiting for ${waiting} ${noun} to complete`,
      pending_count: queued,
      processing_count: running,
      retry_after: await this.pace.estimateS(stage, waiting),
    };
  }

  private async done(session: InterviewSession, answers: Answer[]): Promise<AnalysisDone> {
    const weights = new Map(session.questions.map(({ id, weight }) => [id, weight]));
    const scored = answers.filter((answer) => answer.score !== null);
    const notScorable = count(answers, (answer) => answer.not_scorable !== null);
    const finalScore = weightedMean(scored, weights);
    const counts = {
      scored_count: scored.length,
      failed_count: answers.length - scored.length - notScorable,
      not_scorable_count: notScorable,
    };
    const isNews = finalScore !== session.final_score || session.analyzed_at === null;
    if (isNews && (await this.sessions.setFinalScore(session, finalScore, counts)))
      this.log.pino.info({ session_id: session.session_id, scored: scored.length }, 'Session analyzed');
    return {
      status: 'success',
      final_score: finalScore,
      ...counts,
      answers: answers.map(answerView),
      missing: session.questions.map(({ id }) => id).filter((id) => !session.answers[id]),
    };
  }
}

/** A failed transcription or scoring does not hold up the rest. */
function isBeingScored(answer: Answer): boolean {
  return answer.transcription_status === 'completed' && !['done', 'failed'].includes(answer.analysis_status);
}

/** 0 to 100, one decimal; null when nothing was scored, or nothing of what was has a weight. */
function weightedMean(scored: Answer[], weights: Map<string, number>): number | null {
  let sum = 0;
  let total = 0;
  for (const { question_id, score } of scored) {
    const weight = weights.get(question_id) ?? 1;
    sum += weight * (score ?? 0);
    total += weight;
  }
  return total > 0 ? Math.round((sum / total) * 10) / 10 : null;
}

const inState = (answers: Answer[], status: Answer['transcription_status']): string[] =>
  answers.filter((answer) => answer.transcription_status === status).map((answer) => answer.question_id);

const count = (answers: Answer[], test: (answer: Answer) => boolean): number => answers.filter(test).length;
