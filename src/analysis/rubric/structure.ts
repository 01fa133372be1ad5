import { type Finding, listed } from './criterion.js';
import { deedsOf } from './form.js';
import type { Question } from './question.js';
import { type Sentence, toScore, upTo } from './text.js';

/** One part that a well-built answer has. */
interface Part {
  name: string;
  weight: number;
  advice: string;
  /** How strongly a sentence is this part; `at` is its place, 0 at the answer's start, 1 at its end. */
  strength(sentence: Sentence, at: number, question: Question): number;
  /** Strength, over all sentences, at which the part is fully there. */
  full: number;
}

const situation =
  /\b(?:last (?:year|month|week|summer|winter|spring|autumn|fall|january|february|march|april|may|june|july|august|september|october|november|december)|(?:two|three|four|five|six|\d{1,2}|a few|some|several) (?:years|months|weeks) ago|in (?:19|20)\d\d|in my (?:first|second|third|last|previous|final|old|current|former)|(?:at|in) my (?:last|previous|current|first|old|former) |when i (?:was|became|worked|started|joined)|while i was|i was (?:working|running|leading|managing|responsible|on|a|an|the|in|at)|we were (?:building|working|in|about|a|using|running)|there (?:was|were)|at the time|back (?:then|in)|once|one (?:day|time|of (?:my|our)))\b/;
const task =
  /\b(?:had to|needed to|need to|was (?:asked|supposed|responsible|told|due|expected)|were (?:asked|supposed|due|expected)|my (?:job|task|role|goal|responsibility|target|part) was|our (?:goal|task|target|aim) was|the (?:goal|task|challenge|problem|aim|trouble|issue|deadline|plan|idea) was|wanted (?:to|me|us)|in charge of|up to me|asked me to|demanded|turned out|nobody (?:had|knew|could)|instead of|supposed to|problem)\b/;
const result =
  /\b(?:in the end|as a result|at the end|eventually|finally|since then|after (?:that|this|a|two|three|four|six|half)|the (?:result|outcome|effect|upshot) (?:was|is)|turned out|went (?:live|through|up|down|well)|(?:came|come) back|it (?:worked|paid)|successfully|on time|(?:reduced|increased|improved|cut|dropped|rose|grew|saved|doubled|halved|fell|became|won|launched|shipped|delivered|finished|handed|stayed|thanked|agreed)\b|per ?cent|% |still|today|without (?:a|any|another)|nobody (?:left|resigned|complained)|learned|learnt|lesson|took away|looking back|next time|ever since|now)\b/;
const reasons =
  /\b(?:because|since|so that|so (?:i|we|it|you|that|the|they)|therefore|the reason|reasons|that(?:'s| is) why|which means|that means|due to|in order to|first(?:ly)?|second(?:ly)?|then|next|after that|if|otherwise|whereas|while|but)\b/;
const example =
  /\b(?:for example|for instance|such as|e\.g|like when|imagine|let's say|say,|suppose|once|in one case|at my|in my|last (?:year|month|week|summer|winter|spring|autumn|fall)|when i (?:was|worked|had|became)|in (?:january|february|march|april|may|june|july|august|september|october|november|december)|does that|at [A-Z]\w+)\b/;
const conclusion =
  /\b(?:in short|in the end|overall|to sum up|in summary|in conclusion|that(?:'s| is) why|so (?:i|in|the|it|overall|for|you|nothing|what|we|my)|as a result|finally|all in all|the point is|for me|depends|therefore|since then|only|but today|after (?:that|this|the)|before (?:that|launch))\b/;

const has = (pattern: RegExp) => (sentence: Sentence) => (pattern.test(lower(sentence)) ? 1 : 0);

function lower(sentence: Sentence): string {
  return sentence.words.join(' ');
}

/** A part said in passing, in three words, is not yet that part. */
function carried(sentence: Sentence): number {
  return upTo(5, sentence.content.length);
}

const STORY: readonly Part[] = [
  {
    name: 'the situation',
    weight: 0.2,
    advice: 'Set the scene first: when and where it was, and who was involved.',
    strength: (sentence, at) => (at <= 0.4 ? has(situation)(sentence) * carried(sentence) : 0),
    full: 0.8,
  },
  {
    name: 'the task',
    weight: 0.2,
    advice: 'Say what you had to achieve and what was at stake, before you say what you did.',
    strength: (sentence, at) => (at <= 0.7 ? has(task)(sentence) * carried(sentence) : 0),
    full: 0.8,
  },
  {
    name: 'the candidate’s own actions',
    weight: 0.35,
    advice: 'Name at least three things that you yourself did, in order, each with a verb: “I called …, I proposed …”.',
    strength: (sentence) => new Set(deedsOf(sentence)).size * Math.max(0.3, carried(sentence)),
    full: 4,
  },
  {
    name: 'the result',
    weight: 0.25,
    advice: 'End with the result: what changed, by how much, and what you would do the same or differently.',
    strength: (sentence, at) => (at >= 0.55 ? has(result)(sentence) * carried(sentence) : 0),
    full: 1.4,
  },
];

const CASE: readonly Part[] = [
  {
    name: 'a clear statement',
    weight: 0.25,
    advice: 'Begin with your answer in one sentence, before the details.',
    strength: (sentence, at, question) =>
      at <= 0.35 && speaksTo(sentence, question) ? Math.max(0.2, carried(sentence)) : 0,
    full: 0.9,
  },
  {
    name: 'reasons or steps',
    weight: 0.35,
    advice: 'Give your reasons, or your steps in order: “first …, then …, because …”.',
    strength: (sentence) => has(reasons)(sentence) * carried(sentence),
    full: 3,
  },
  {
    name: 'an example',
    weight: 0.2,
    advice: 'Add one example from your own work, with a name or a number in it.',
    strength: (sentence) => (example.test(lower(sentence)) ? carried(sentence) : 0),
    full: 0.8,
  },
  {
    name: 'a conclusion',
    weight: 0.2,
    advice: 'Close with a sentence that sums up your point, so that the interviewer knows you are done.',
    strength: (sentence, at) => (at >= 0.65 ? has(conclusion)(sentence) * carried(sentence) : 0),
    full: 0.8,
  },
];

function speaksTo(sentence: Sentence, question: Question): boolean {
  return sentence.content.length >= 2 || question.concepts.some(({ stem }) => sentence.stems.includes(stem));
}

/** How well an answer is built: situation, task, action, result for an experience; else claim, reasons, example, conclusion. */
export function judgeStructure(sentences: readonly Sentence[], question: Question): Finding {
  const plan = question.kind === 'experience' ? STORY : CASE;
  const last = Math.max(1, sentences.length - 1);
  const judged = plan.map((part) => {
    const strengths = sentences.map((sentence, at) =>
      part.strength(sentence, sentences.length === 1 ? 0.6 : at / last, question),
    );
    const best = strengths.indexOf(Math.max(...strengths, 0));
    const total = strengths.reduce((sum, strength) => sum + strength, 0);
    return { part, there: upTo(part.full, total), sentence: total > 0 ? sentences[best] : undefined };
  });
  const score = toScore(judged.reduce((sum, { part, there }) => sum + part.weight * there, 0));
  const present = judged.filter(({ there }) => there >= 0.5).map(({ part }) => part.name);
  const missing = judged.filter(({ there }) => there < 0.5).sort((a, b) => b.part.weight - a.part.weight);
  const rests = judged
    .filter(({ there }) => there > 0)
    .sort((a, b) => b.part.weight * b.there - a.part.weight * a.there)
    .flatMap(({ sentence }) => sentence ?? []);
  return {
    score,
    reason: reasonOf(
      present,
      missing.map(({ part }) => part.name),
    ),
    rests: [...new Set(rests)],
    advice: missing.map(({ part }) => part.advice),
  };
}

function reasonOf(present: readonly string[], missing: readonly string[]): string {
  if (missing.length === 0) return `It is well built: it has ${listed(present)}.`;
  if (present.length === 0) return `It has no clear build: ${listed(missing)} are missing or only hinted at.`;
  const verb = missing.length === 1 ? 'is' : 'are';
  return `It has ${listed(present)}, but ${listed(missing)} ${verb} missing or only hinted at.`;
}
