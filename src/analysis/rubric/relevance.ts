import type { Cleaned } from './cleaning.js';
import { type Finding, listed } from './criterion.js';
import type { Likeness } from './likeness.js';
import { type Coverage, coverage, type ModelAnswer } from './model-answer.js';
import type { Question } from './question.js';
import { type Sentence, toScore, upTo } from './text.js';
import { emptyShare } from './vague.js';

/** Below this relevance an answer may be one to something else. */
const OFF_TOPIC = 42;
/** From this relevance on it is certain that an answer is to the question. */
export const ON_TOPIC = 70;

/**
 * What each signal counts for an answer being to the question: the logistic regression of the tuned answers of `test/fixtures/answers`
 * (`bench/rubric-fit.mjs`).
 */
const WITH_MODEL = { bias: -4.7, asked: 4.7, answered: 11.9, shared: 3, hoped: 9.3 };
const QUESTION_ALONE = { bias: -4.9, asked: 8.7, answered: 17.8, shared: 5.1, hoped: 0 };
/** Log odds at which nothing speaks for the answer, and at which nothing speaks against it. */
const ODDS = { nothing: -3, all: 4 };

/** Longer answers share more words by chance: the sum is divided by this power of their different words, and some more. */
const LENGTH = { power: 0.3, more: 10 };

/** Words that the answer shares with the question, each once, 0 to about 2. */
export function sharedWords(sentences: readonly Sentence[], { concepts }: Question): number {
  const said = new Set(sentences.flatMap(({ content }) => content));
  return concepts.filter(({ stem }) => said.has(stem)).length / (said.size + LENGTH.more) ** LENGTH.power;
}

/** Different content words from which on an answer says enough to be on anything. */
const SUBSTANCE = 9;
/** Share of fillers and vague words at which an answer says nothing, whatever it mentions; clear speech stays under 5 %. */
const EMPTY = { clear: 0.08, nothing: 0.28 };

/** How much is said at all, 0 to 1. Fillers that come again count against it, and no short sentence that comes again for it. */
function substanceOf({ kept, again }: Said): number {
  const content = new Set(kept.flatMap((sentence) => sentence.content)).size;
  const empty = Math.max(emptyShare(kept), emptyShare([...kept, ...again]));
  return upTo(SUBSTANCE, content) * (1 - 0.8 * upTo(EMPTY.nothing - EMPTY.clear, empty - EMPTY.clear));
}

/** Substance under which it is in doubt whether an answer speaks of anything, and how steeply doubt grows there. */
const SPEAKS = { doubt: 0.35, power: 1.5 };
/** Share that an answer loses of what it has above `OFF_TOPIC`, if it makes none of the model answer's points, or hardly says anything. */
const LOST = { pointless: 0.5, brief: 0.6 };
/**
 * With a model answer, what is seen of the question in hundredths under which an answer is one to something else; of the tuned answers none to
 * the question lay there, and most of the off-topic ones. What is low for all else may be an answer in other words.
 */
const ELSEWHERE = 5;
/** Where there is nothing to compare an answer with, nothing is held against it, and little counted for it. */
const GUESS = 0.5;

function oddsOf({ asked, answered, hoped }: Likeness, shared: number): number {
  const counts = hoped === null ? QUESTION_ALONE : WITH_MODEL;
  return (
    counts.bias +
    counts.asked * asked +
    counts.answered * answered +
    counts.shared * shared +
    counts.hoped * (hoped ?? 0)
  );
}

type Said = Pick<Cleaned, 'kept' | 'again'>;

export interface Relevance extends Finding {
  /** How far it speaks to the question at all, 0 to 100, however few of the hoped-for points it makes; null where that is a guess. */
  topical: number | null;
  /** Whether it is as good as certain that the answer is to something else; a low relevance without it is a doubt. */
  elsewhere: boolean;
}

/** Why relevance is what it is: to the question, in part, to something else, in doubt, or there is too little to tell by. */
type Match = 'close' | 'partial' | 'elsewhere' | 'doubt' | 'brief' | 'guess';

function matchOf(score: number, seen: number, certain: boolean, model: ModelAnswer | null): Match {
  if (!certain) return 'guess';
  if (score >= ON_TOPIC) return 'close';
  if (score >= OFF_TOPIC) return 'partial';
  if (100 * seen >= OFF_TOPIC) return 'brief';
  return model !== null && 100 * seen < ELSEWHERE ? 'elsewhere' : 'doubt';
}

/** How far an answer is to the question, and to the model answer's points where there are any. */
export function judgeRelevance(
  { kept: sentences, again }: Said,
  question: Question,
  model: ModelAnswer | null,
  likeness: Likeness,
): Relevance {
  const covered = model && coverage(model, likeness.points);
  const certain = question.tells || model !== null;
  const substance = substanceOf({ kept: sentences, again });
  const odds = oddsOf(likeness, sharedWords(sentences, question));
  const seen = upTo(ODDS.all - ODDS.nothing, odds - ODDS.nothing);
  const speaks = upTo(SPEAKS.doubt, substance) ** SPEAKS.power;
  const score = toScore(speaks * (certain ? full(seen, covered, substance) : GUESS));

  const match = matchOf(score, seen, certain, model);
  const said = new Set(sentences.flatMap(({ stems }) => stems));
  const found = question.concepts.filter(({ stem }) => said.has(stem)).map(({ word }) => word);
  const missed = question.concepts.filter(({ stem }) => !said.has(stem)).map(({ word }) => word);
  return {
    score,
    reason: reasonOf(match, found, covered),
    rests: nearestOf(sentences, likeness),
    advice: adviceOf(match, missed, covered),
    topical: certain ? toScore(speaks * seen) : null,
    elsewhere: match === 'elsewhere',
  };
}

/** Few words, or other points than the model answer's: still on the question, but less to it. */
function full(seen: number, covered: Coverage | null, substance: number): number {
  const cut = OFF_TOPIC / 100;
  const kept = (1 - LOST.pointless * (1 - (covered?.share ?? 1))) * (1 - LOST.brief * (1 - substance));
  return seen <= cut ? seen : cut + (seen - cut) * kept;
}

/** The sentences nearest to what is asked and hoped for, the nearest first. */
function nearestOf(sentences: readonly Sentence[], likeness: Likeness): Sentence[] {
  const nearest = sentences.map((sentence, at) => ({ sentence, like: likeness.sentences[at] ?? 0 }));
  return nearest.sort((a, b) => b.like - a.like).map(({ sentence }) => sentence);
}

function quoted(words: readonly string[]): string {
  return listed(words.slice(0, 3).map((word) => `“${word}”`));
}

function reasonOf(match: Match, found: readonly string[], covered: Coverage | null): string {
  const points = covered ? `; it makes ${covered.made} of the ${covered.all} points of the model answer` : '';
  switch (match) {
    case 'guess':
      return 'Whether the answer is to the question is a guess, since the question names nothing to compare it with; a model answer would make it surer.';
    case 'close':
      return `The answer stays with the question${found.length > 0 ? ` and speaks about ${quoted(found)}` : ''}${points}.`;
    case 'partial':
      return `The answer seems to be on the question, but only in part${points}.`;
    case 'brief':
      return `The answer says too little to tell how far it is to the question${points}.`;
    case 'doubt':
      return `The answer could not be matched to the question: it may be to another one, or say it in other words${points || '; a model answer would make it surer'}.`;
    case 'elsewhere':
      return `By what its sentences mean, little in this answer is near to the question${points}.`;
  }
}

function adviceOf(match: Match, missed: readonly string[], covered: Coverage | null): string[] {
  const advice: string[] = [];
  // What the interviewer hopes to hear is better advice than the question's words.
  const point = covered?.missed[0];
  if (point) advice.push(`Cover this point, which the model answer makes: “${shortened(point)}”`);
  const asked = missed.length > 0 ? ` (${quoted(missed)})` : '';
  if (match === 'guess') {
    advice.push('Take up the words of the question in your first sentence, so that it is clear what you answer.');
  } else if (match === 'elsewhere') {
    advice.push(`Answer what was asked${asked}: say in your first sentence how your answer belongs to the question.`);
  } else if (match === 'doubt') {
    advice.push(
      `Say in your first sentence how your answer belongs to the question${asked}: it could not be matched to it.`,
    );
  } else if (match !== 'close' && missed.length > 0) {
    advice.push(`Say more about ${quoted(missed)}, which the question asks for.`);
  }
  return advice;
}

function shortened(text: string): string {
  return text.length <= 140 ? text : `${text.slice(0, 140).replace(/\s+\S*$/, '')} …`;
}
