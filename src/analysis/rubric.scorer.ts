import { tooLittleSpeech, totalScore, weightsFor } from './criteria.js';
import { clean, type Cleaned } from './rubric/cleaning.js';
import type { Finding } from './rubric/criterion.js';
import { judgeDepth } from './rubric/depth.js';
import { EvidenceFinder } from './rubric/evidence-times.js';
import { feedbackOf } from './rubric/feedback.js';
import { doesNotReadAsEnglish, notEnglish } from './rubric/language.js';
import { type ModelAnswer, readModelAnswer } from './rubric/model-answer.js';
import { readQuestion } from './rubric/question.js';
import { judgeRelevance, OFF_TOPIC, type Relevance } from './rubric/relevance.js';
import { judgeSpecificity } from './rubric/specificity.js';
import { withoutDropped } from './rubric/spoken-time.js';
import { judgeDelivery } from './rubric/spoken.js';
import { judgeStructure } from './rubric/structure.js';
import { readText } from './rubric/text.js';
import type { Segment } from '../transcription/transcriber.js';
import { type Criterion, type CriterionName, type Score, Scorer, type ScoringRequest } from './scorer.js';

type Findings = Partial<Record<CriterionName, Finding>>;

/**
 * Scores an English answer offline: the same input always gets the same score.
 *
 * It knows words, not meaning. Relevance compares the answer with the words of the question and of its model answer, and with the fields of
 * working life and of trades that these belong to (`rubric/fields.*.ts`); the other criteria look at how the answer is built and what it
 * holds. Sentences that talk to the grader, repeat, read the question out or only heap up keywords are taken out first. An answer to
 * something else earns little for its form. Where no field knows the question, the reason says that relevance is a guess, and the guess is
 * cautious. A model answer makes it far surer which answers are to the question; even so, of good answers to unseen questions about half are
 * not recognised, where they are told in everyday words, and held back too: `bench/RUBRIC.md` has the numbers.
 */
export class RubricScorer extends Scorer {
  readonly id = 'rubric/2';

  /** Time grows with the length of the answer only, and the event loop is let go in between. Never rejects but for the signal. */
  async score(request: ScoringRequest): Promise<Score> {
    const { language, signal } = request;
    const transcript = request.transcript.slice(0, LONGEST_READ);
    const refused = notEnglish(language) ?? tooLittle(transcript);
    if (refused) return this.notScorable(request, refused);
    const sentences = await readText(transcript);
    signal.throwIfAborted();
    const foreign = language === null ? doesNotReadAsEnglish(sentences) : null;
    if (foreign) return this.notScorable(request, foreign);
    const model = await readModelAnswer(request.modelAnswer);
    const cleaned = clean(sentences, request.question, model?.sentences);
    const left = cleaned.kept.map(({ text }) => text).join(' ');
    if (tooLittle(left)) return this.notScorable(request, nothingOfItsOwn(cleaned));

    await pause();
    const findings = await this.judge(request, cleaned, model);
    signal.throwIfAborted();
    const criteria = criteriaOf(findings, request, cleaned);
    return {
      score: totalScore(criteria),
      notScorable: null,
      criteria,
      feedback: feedbackOf(findings, criteria, cleaned),
      modelAnswer: request.modelAnswer,
      scorer: this.id,
    };
  }

  async close(): Promise<void> {
    // Holds nothing open.
  }

  private async judge(request: ScoringRequest, { kept }: Cleaned, model: ModelAnswer | null): Promise<Findings> {
    const question = readQuestion(request.question);
    const relevance = judgeRelevance(kept, question, model);
    await pause();
    const structure = heldBack(judgeStructure(kept, question), relevance);
    await pause();
    const specificity = heldBack(judgeSpecificity(kept, question), relevance);
    await pause();
    const depth = heldBack(judgeDepth(kept, question), relevance);
    if (request.source === 'text') return { relevance, structure, specificity, depth };
    await pause();
    const spoken = upTo(LONGEST_READ, request.segments);
    const segments = withoutDropped(spoken, request.question, model?.sentences ?? new Set());
    await pause();
    const delivery = judgeDelivery(kept, segments, request.duration);
    return { relevance, structure, specificity, depth, delivery };
  }

  private notScorable(request: ScoringRequest, reason: string): Score {
    const { modelAnswer } = request;
    return { score: null, notScorable: reason, criteria: [], feedback: [], modelAnswer, scorer: this.id };
  }
}

/** Characters that are read, some 40 minutes of speech: nobody answers longer, and the event loop is never held for long. */
const LONGEST_READ = 30_000;

function upTo(characters: number, segments: readonly Segment[]): Segment[] {
  let at = 0;
  return segments.filter(({ text }) => {
    const begins = at;
    at += text.length + 1;
    return begins < characters;
  });
}

/** Counting words costs more than all the rest of a long answer; where its beginning has enough of them, the rest need not be counted. */
const BEGINNING = 500;

function tooLittle(text: string): string | null {
  return tooLittleSpeech(text.slice(0, BEGINNING)) === null ? null : tooLittleSpeech(text);
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function nothingOfItsOwn({ dropped }: Cleaned): string {
  const why = [...new Set(dropped.map((entry) => entry.why))].join(', ');
  return `Besides what earns nothing (${why}), too little was said to be scored.`;
}

/** The form of an answer to something else is worth little: the less relevant, the less of it counts. */
function heldBack(finding: Finding, relevance: Relevance): Finding {
  if (relevance.score >= OFF_TOPIC) return finding;
  const share = Math.max(0.2, (relevance.score / OFF_TOPIC) ** 2.5);
  const score = Math.round(finding.score * share);
  if (score === finding.score) return finding;
  const why = relevance.certain
    ? 'as little of the question is found in the answer'
    : 'as it is not certain that the answer is to the question';
  const rest = finding.reason.charAt(0).toLowerCase() + finding.reason.slice(1);
  return { ...finding, score, reason: `Counts only in part, ${why}: ${rest}` };
}

function criteriaOf(findings: Findings, request: ScoringRequest, { kept }: Cleaned): Criterion[] {
  const weights = Object.entries(weightsFor(request.source)) as [CriterionName, number][];
  // Where a criterion found nothing of its own, it rests on the answer's fullest sentence.
  const fullest = kept.reduce((best, sentence) => (sentence.content.length > best.content.length ? sentence : best));
  const finder = new EvidenceFinder(request.transcript, request.segments);
  return weights.flatMap(([name, weight]) => {
    const finding = findings[name];
    if (!finding) return [];
    const rests = finding.rests.length > 0 ? finding.rests.slice(0, 2) : [fullest];
    const evidence = rests.map((sentence) => finder.find(sentence));
    return [{ name, score: finding.score, weight, reason: finding.reason, evidence }];
  });
}
