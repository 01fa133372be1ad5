import { type Finding, listed, strongest } from './criterion.js';
import { fieldsOf } from './fields.js';
import type { Coverage, ModelAnswer } from './model-answer.js';
import type { Question } from './question.js';
import { type Signals, signalsOf } from './signals.js';
import { type Sentence, toScore, upTo } from './text.js';

/** Below this relevance too little of the question is found in an answer, and its other criteria are held back. */
export const OFF_TOPIC = 42;

/**
 * What each signal counts for and against an answer being to the question: the logistic regression of the tuned answers of
 * `test/fixtures/answers`, each question read without the words that only its own answers brought into the fields.
 */
const WITH_MODEL = { bias: -9.1, asked: 3.4, form: 4.7, alike: 6.1, shared: 1.4, made: 2 };
const QUESTION_ALONE = { bias: -6.2, asked: 4.9, form: 3.3, alike: 3.9, shared: 4.3, made: 0 };
/** Log odds at which nothing speaks for the answer, and at which nothing speaks against it. */
const ODDS = { nothing: -3, all: 3.6 };
/** Substance under which it is in doubt whether an answer speaks of anything, and how steeply doubt grows there. */
const SPEAKS = { doubt: 0.35, power: 1.5 };
/** Share that an answer loses of what it has above `OFF_TOPIC`, if it makes none of the model answer's points, or hardly says anything. */
const LOST = { pointless: 0.5, brief: 0.6 };

/** Where neither question nor model answer is understood, nothing is held against an answer, and little counted for it. */
const GUESS = { least: 0.3, most: 0.7 };

function oddsOf({ asked, form, alike, shared, covered, copied }: Signals, counts: typeof WITH_MODEL): number {
  // Who says just what the interviewer hopes to hear has the right form, whatever it is.
  const fits = Math.max(form, copied);
  return (
    counts.bias +
    counts.asked * asked * fits +
    counts.form * fits +
    counts.alike * alike +
    counts.shared * shared +
    counts.made * (covered?.share ?? 0)
  );
}

/** How far an answer is to the question, 0 to 1. */
function relevanceOf(signals: Signals): number {
  const { guided, substance, certain } = signals;
  // A model answer of a few words guides less: what the question alone tells counts beside it.
  const odds = guided * oddsOf(signals, WITH_MODEL) + (1 - guided) * oddsOf(signals, QUESTION_ALONE);
  const seen = upTo(ODDS.all - ODDS.nothing, odds - ODDS.nothing);
  const share = certain ? full(seen, signals) : GUESS.least + (GUESS.most - GUESS.least) * seen;
  return share * upTo(SPEAKS.doubt, substance) ** SPEAKS.power;
}

/** Few words, or other points than the model answer's: still on the question, but less to it. */
function full(seen: number, { covered, guided, substance }: Signals): number {
  const cut = OFF_TOPIC / 100;
  const missed = covered ? guided * (1 - covered.share) : 0;
  const kept = (1 - LOST.pointless * missed) * (1 - LOST.brief * (1 - substance));
  return seen <= cut ? seen : cut + (seen - cut) * kept;
}

export interface Relevance extends Finding {
  /** False where it is a guess, since neither question nor model answer is understood. */
  certain: boolean;
}

/** How far an answer is to the question, and to the model answer's points where there are any. */
export function judgeRelevance(
  sentences: readonly Sentence[],
  question: Question,
  model: ModelAnswer | null,
): Relevance {
  const signals = signalsOf(sentences, question, model);
  const { concepts, covered } = signals;
  const score = toScore(relevanceOf(signals));

  const wanted = new Set(concepts.flatMap((concept) => concept.fields.map(({ name }) => name)));
  const stems = new Set([
    ...concepts.map((concept) => concept.stem),
    ...(model?.points.flatMap((point) => point.stems) ?? []),
  ]);
  const rests = strongest(
    sentences,
    (sentence) =>
      new Set(sentence.stems.filter((stem) => stems.has(stem) || fieldsOf(stem).some((field) => wanted.has(field))))
        .size,
  );
  const missed = concepts.filter((concept) => concept.met < 0.4 && concept.weight === 1).map((concept) => concept.word);
  const found = concepts.filter((concept) => concept.met >= 0.4 && concept.weight === 1).map((concept) => concept.word);
  const reason = signals.certain ? reasonOf(score, found, missed, covered) : guessed(covered);
  return { score, reason, rests, advice: adviceOf(signals, score, missed), certain: signals.certain };
}

function quoted(words: readonly string[]): string {
  return listed(words.slice(0, 3).map((word) => `“${word}”`));
}

function pointsMade(covered: Coverage | null): string {
  return covered ? `; it makes ${covered.made} of the ${covered.all} points of the model answer` : '';
}

function guessed(covered: Coverage | null): string {
  const read = covered ? 'neither the question nor its model answer' : 'nothing in the question';
  const help = covered ? '' : '; a model answer would make it surer';
  return `Whether the answer is to the question is a guess, since the rubric understands ${read}${help}${pointsMade(covered)}.`;
}

function reasonOf(
  score: number,
  found: readonly string[],
  missed: readonly string[],
  covered: Coverage | null,
): string {
  const points = pointsMade(covered);
  if (score >= 70) {
    return `The answer stays with the question${found.length > 0 ? ` and speaks about ${quoted(found)}` : ''}${points}.`;
  }
  if (score >= OFF_TOPIC) {
    const rest = missed.length > 0 ? `, but says little about ${quoted(missed)}` : ', but only in part';
    return `The answer is on the question${rest}${points}.`;
  }
  const asked = missed.length > 0 ? `: hardly any of its words have to do with ${quoted(missed)}` : '';
  return `As far as its words tell, little of the question is found in this answer${asked}${points}.`;
}

function adviceOf({ covered, certain }: Signals, score: number, missed: readonly string[]): string[] {
  const advice: string[] = [];
  // What the interviewer hopes to hear is better advice than the question's words.
  const point = covered?.missed[0];
  if (point) advice.push(`Cover this point, which the model answer makes: “${shortened(point)}”`);
  if (!certain) {
    advice.push('Take up the words of the question in your first sentence, so that it is clear what you answer.');
  } else if (score < OFF_TOPIC) {
    const asked = missed.length > 0 ? ` (${quoted(missed)})` : '';
    advice.push(`Answer what was asked${asked}: say in your first sentence how your answer belongs to the question.`);
  } else if (score < 70 && missed.length > 0) {
    advice.push(`Say more about ${quoted(missed)}, which the question asks for.`);
  }
  return advice;
}

function shortened(text: string): string {
  return text.length <= 140 ? text : `${text.slice(0, 140).replace(/\s+\S*$/, '')} …`;
}
