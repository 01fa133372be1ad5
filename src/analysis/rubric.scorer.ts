import type { MeaningEngine } from './meaning/meaning-engine.js';
import { tooLittleSpeech, totalScore, weightsFor } from './criteria.js';
import { clean, type Cleaned, type Discount } from './rubric/cleaning.js';
import type { Finding } from './rubric/criterion.js';
import { judgeDepth } from './rubric/depth.js';
import { EvidenceFinder } from './rubric/evidence-times.js';
import { feedbackOf } from './rubric/feedback.js';
import { doesNotReadAsEnglish, notEnglish } from './rubric/language.js';
import { likenessOf } from './rubric/likeness.js';
import { keyOf, type ModelAnswer, readModelAnswer } from './rubric/model-answer.js';
import { readQuestion } from './rubric/question.js';
import { judgeRelevance, ON_TOPIC, type Relevance } from './rubric/relevance.js';
import { judgeSpecificity } from './rubric/specificity.js';
import { withoutDropped } from './rubric/spoken-time.js';
import { judgeDelivery } from './rubric/spoken.js';
import { judgeStructure } from './rubric/structure.js';
import { readText, type Sentence } from './rubric/text.js';
import type { Segment } from '../transcription/transcriber.js';
import { type Criterion, type CriterionName, type Score, Scorer, type ScoringRequest } from './scorer.js';

type Findings = Partial<Record<CriterionName, Finding>>;

/**
 * Scores an English answer offline: the same input always gets the same score.
 *
 * Relevance compares what the sentences of the answer mean with what the question and its model answer mean, by a sentence encoder in a
 * process of its own (`meaning/`); the other criteria look at how the answer is built and what it holds. Sentences that talk to the grader,
 * repeat, read the question out or only heap up keywords are taken out first. An answer to something else earns little for its form. A model
 * answer makes it far surer which answers are to the question: `bench/RUBRIC.md` has the numbers.
 */
export class RubricScorer extends Scorer {
  readonly id = 'rubric/4';

  constructor(private readonly meaning: MeaningEngine) {
    super();
  }

  /**
   * Time grows with the length of the answer only, and the event loop is let go in between.
   *
   * @throws the signal's reason, or TransientError those of `MeaningEngine`
   */
  async score(request: ScoringRequest): Promise<Score> {
    const { language, signal } = request;
    const transcript = request.transcript.slice(0, LONGEST_READ);
    const refused = notEnglish(language) ?? tooLittle(transcript);
    if (refused) return this.notScorable(request, refused);
    const sentences = await readText(transcript);
    signal.throwIfAborted();
    const model = await readModelAnswer(request.modelAnswer);
    await pause();
    const cleaned = clean(sentences, request.question, model?.sentences);
    await pause();
    const foreign = language === null ? doesNotReadAsEnglish(tellingOfLanguage(cleaned, model)) : null;
    if (foreign) return this.notScorable(request, foreign);
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
    await this.meaning.close();
  }

  private async judge(request: ScoringRequest, { kept, again }: Cleaned, model: ModelAnswer | null): Promise<Findings> {
    const question = readQuestion(request.question);
    const likeness = await this.likeness(request, kept, model);
    await pause();
    const relevance = judgeRelevance({ kept, again }, question, model, likeness);
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
    const delivery = judgeDelivery(kept, segments, request.duration, request.language, again, request.segments);
    return { relevance, structure, specificity, depth, delivery };
  }

  private async likeness(request: ScoringRequest, kept: readonly Sentence[], model: ModelAnswer | null) {
    const points = (model?.points ?? []).map(({ text }) => text);
    const texts = [request.question, ...points, ...kept.map(({ text }) => text)];
    const [question, ...rest] = await this.meaning.encode(texts, request.signal);
    const meanings = { question: question!, points: rest.slice(0, points.length), answer: rest.slice(points.length) };
    return likenessOf(meanings);
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

/**
 * The sentences by which an answer's language is judged: no English that earns nothing may make another language's answer one to be scored.
 * Keywords without a sentence are among them, since that is what other languages look like here.
 */
function tellingOfLanguage({ kept, dropped }: Cleaned, model: ModelAnswer | null): Sentence[] {
  const heaps = dropped.filter(({ why }) => why === 'keywords without a sentence').map(({ sentence }) => sentence);
  // Who says what the interviewer hopes to hear speaks the interviewer's language, in keywords too.
  return [...kept, ...heaps].filter((sentence) => !model?.sentences.has(keyOf(sentence)));
}

function nothingOfItsOwn({ dropped, again }: Cleaned): string {
  const reasons: Discount[] = [...dropped.map(({ why }) => why), ...again.map(() => 'said before' as const)];
  const why = [...new Set(reasons)].join(', ');
  return `Besides what earns nothing (${why}), too little was said to be scored.`;
}

/** What the form of an answer to something else counts, and how steeply that rises to 1 where it is certain that it is to the question. */
const FORM = { least: 0.15, power: 2.5 };

/** The form of an answer to something else is worth little: the less relevant, the less of it counts. */
function heldBack(finding: Finding, { topical, elsewhere }: Relevance): Finding {
  if (topical === null || topical >= ON_TOPIC) return finding;
  const share = FORM.least + (1 - FORM.least) * (topical / ON_TOPIC) ** FORM.power;
  const score = Math.round(finding.score * share);
  if (score === finding.score) return finding;
  const why = elsewhere
    ? 'as little in the answer is near to the question'
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
