import { PermanentError, type AppError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { OpenAiEndpoint } from '../openai/openai-endpoint.js';
import { brokenAnswer } from '../openai/openai-errors.js';
import { tooLittleSpeech, totalScore, weightsFor } from './criteria.js';
import { readJudgement, withEvidence, type Judged, type Judgement } from './openai-judgement.js';
import { PROMPT_VERSION, promptFor, repairOf, RESPONSE_FORMAT, type Message } from './openai-prompt.js';
import { evidenceOf } from './rubric/evidence-times.js';
import { judgeDelivery } from './rubric/spoken.js';
import { readText } from './rubric/text.js';
import { Scorer, type Criterion, type Score, type ScoringRequest } from './scorer.js';

/** Models that reason take no temperature but their own (OpenAI's guide to reasoning models). */
const REASONING = /(^|\/)(o\d|gpt-5)/;

/**
 * Scores by any OpenAI-compatible chat endpoint (`OPENAI_BASE_URL`, `OPENAI_SCORING_MODEL`) that can answer by a JSON
 * schema. The model judges what was said; weights, the total, times of quotes and delivery are computed here.
 */
export class OpenAiScorer extends Scorer {
  readonly id: string;
  private readonly endpoint: OpenAiEndpoint;
  private readonly model: string;

  constructor(config: Config) {
    super();
    this.model = config.OPENAI_SCORING_MODEL;
    this.id = `openai/${this.model}/${PROMPT_VERSION}`;
    this.endpoint = new OpenAiEndpoint(config, 'scoring');
  }

  async score(request: ScoringRequest): Promise<Score> {
    request.signal.throwIfAborted();
    const notScorable = tooLittleSpeech(request.transcript);
    if (notScorable !== null) {
      const nothing = { score: null, criteria: [], feedback: [] };
      return { ...nothing, notScorable, modelAnswer: request.modelAnswer, scorer: this.id };
    }
    const { criteria: judged, feedback, modelAnswer } = await this.judge(request);
    const spoken = request.source === 'audio' ? await listen(request) : null;
    const criteria = weigh(withEvidence(spoken ? [...judged, spoken.delivery] : judged, request), request.source);
    return {
      score: totalScore(criteria),
      notScorable: null,
      criteria,
      feedback: [...feedback, ...(spoken?.advice.slice(0, 1) ?? [])],
      modelAnswer: request.modelAnswer ?? (modelAnswer || null),
      scorer: this.id,
    };
  }

  close(): Promise<void> {
    return this.endpoint.close();
  }

  /** One request, and one more when its answer does not hold. */
  private async judge(request: ScoringRequest): Promise<Judgement> {
    const messages = promptFor(request);
    const first = await this.ask(messages, request.signal);
    const reading = readJudgement(first, request);
    if (reading.faults.length === 0 && reading.judgement) return reading.judgement;
    const second = await this.ask(repairOf(messages, first, reading.faults), request.signal).catch((error: unknown) => {
      // What came first can be used, faults and all.
      if (request.signal.aborted || !reading.judgement) throw error;
      return null;
    });
    const usable = (second && readJudgement(second, request).judgement) ?? reading.judgement;
    if (!usable) throw brokenAnswer('scoring');
    return usable;
  }

  private async ask(messages: Message[], signal: AbortSignal): Promise<string> {
    const completion: unknown = await this.endpoint.call(signal, (client, limit) =>
      client.chat.completions.create(
        {
          model: this.model,
          messages,
          response_format: RESPONSE_FORMAT,
          ...(REASONING.test(this.model) ? {} : { temperature: 0 }),
        },
        { signal: limit },
      ),
    );
    return contentOf(completion);
  }
}

/** How it was spoken is measured, from times that the model does not see. */
async function listen({
  transcript,
  segments,
  duration,
  language,
}: ScoringRequest): Promise<{ delivery: Judged; advice: string[] }> {
  const { score, reason, rests, advice } = judgeDelivery(await readText(transcript), segments, duration, language);
  const evidence = rests.slice(0, 2).map((sentence) => evidenceOf(sentence, transcript, segments));
  return { delivery: { name: 'delivery', score, reason, evidence }, advice };
}

function weigh(judged: readonly Judged[], source: ScoringRequest['source']): Criterion[] {
  const weights = weightsFor(source);
  return judged.map(({ name, score, reason, evidence }) => ({
    name,
    score,
    weight: weights[name] ?? 0,
    reason,
    evidence,
  }));
}

function contentOf(completion: unknown): string {
  const { choices } = (completion ?? {}) as {
    choices?: { message?: { content?: unknown; refusal?: unknown }; finish_reason?: unknown }[];
  };
  const choice = Array.isArray(choices) ? choices[0] : undefined;
  if (choice?.message?.refusal || choice?.finish_reason === 'content_filter') throw declined();
  const content = choice?.message?.content;
  if (typeof content !== 'string') throw brokenAnswer('scoring');
  return content;
}

function declined(): AppError {
  return new PermanentError('engine_declined', 'The scoring engine declined to judge this answer.');
}
