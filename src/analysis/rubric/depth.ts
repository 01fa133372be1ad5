import { count, type Finding, listed, strongest } from './criterion.js';
import type { Question } from './question.js';
import { type Sentence, toScore, upTo } from './text.js';

/** Kinds of reasoning and how they sound; an answer that shows several kinds thinks further than one that repeats one. */
const reasoning: readonly (readonly [string, RegExp])[] = [
  [
    'reasons',
    /\b(?:because|since (?!then|that)|therefore|the reason|that(?:'s| is) why|due to|thanks to|which is why|means that)\b/,
  ],
  [
    'purposes',
    /\b(?:so that|in order to|so (?:i|we|it|you|they|she|he|nobody|the)|to make sure|to avoid|looking for|i look)\b/,
  ],
  [
    'alternatives or trade-offs',
    /\b(?:trade-?offs?|instead of|rather than|instead|alternatives?|on the other (?:hand|side)|whereas|although|however|in exchange|compared (?:to|with)|but|the (?:downside|drawback|price|cost|limit)|you pay|more than|less than|versus|could have)\b/,
  ],
  ['conditions', /\b(?:if|unless|depends?|depending|otherwise|in case|as long as|when it|even if|usually|most of)\b/],
  [
    'lessons',
    /\b(?:learn(?:ed|t)|lesson|next time|in hindsight|looking back|since then|realised|realized|would (?:do|have)|should have|took away|taught me|found out|noticed|ever since|i still)\b/,
  ],
  [
    'causes and effects',
    /\b(?:as a result|turned out|root cause|caused|led to|leads to|which meant|the real|it was (?:simply|because|actually)|makes|made the|only when|ends? up)\b/,
  ],
];

/** Different content words of an answer that leaves little out: some 150 words of speech. */
const FULL_CONTENT = 55;
/** Words from which on an interviewer's attention goes: about four minutes. */
const TOO_LONG = 550;

/** How far an answer thinks: reasons, alternatives, conditions and lessons, with enough said to carry them. */
export function judgeDepth(sentences: readonly Sentence[], question: Question): Finding {
  const texts = sentences.map((sentence) => sentence.words.join(' '));
  const kinds = reasoning.filter(([, pattern]) => texts.some((text) => pattern.test(text))).map(([kind]) => kind);
  const marks = texts.reduce((sum, text) => sum + reasoning.filter(([, pattern]) => pattern.test(text)).length, 0);
  const content = new Set(sentences.flatMap((sentence) => sentence.content)).size;
  const words = sentences.reduce((sum, sentence) => sum + sentence.words.length, 0);
  const body = upTo(FULL_CONTENT, content);
  const thought = 0.6 * upTo(4, kinds.length) + 0.4 * upTo(7, marks);
  // Connectives without content are not thought: "because, so, but" counts as far as there is something to connect.
  const length = 1 - 0.3 * upTo(TOO_LONG, words - TOO_LONG);
  const score = toScore((0.45 * body + 0.55 * thought * Math.sqrt(body)) * length);
  const rests = strongest(sentences, (sentence) => {
    const text = sentence.words.join(' ');
    const marked = reasoning.filter(([, pattern]) => pattern.test(text)).length;
    return marked === 0 ? 0 : marked + upTo(10, sentence.content.length);
  });
  return { score, reason: reasonOf(kinds, content, words), rests, advice: adviceOf(kinds, content, words, question) };
}

function reasonOf(kinds: readonly string[], content: number, words: number): string {
  const size =
    words > TOO_LONG
      ? `at ${words} words it is longer than a listener follows`
      : content < 25
        ? `with ${count(words, 'word')} it says little`
        : '';
  if (kinds.length === 0) {
    return `It tells what, but not why: no reasons, alternatives or lessons${size && `; ${size}`}.`;
  }
  return `It gives ${listed(kinds.slice(0, 4))}${size && `, but ${size}`}.`;
}

function adviceOf(kinds: readonly string[], content: number, words: number, question: Question): string[] {
  const advice: string[] = [];
  if (content < 35)
    advice.push('Go further into it: one or two minutes (150 to 250 words) is what interviewers expect.');
  if (!kinds.includes('reasons')) advice.push('Say why: give the reason behind each decision, with “because”.');
  if (!kinds.includes('alternatives or trade-offs'))
    advice.push('Mention an alternative that you weighed, and what decided against it.');
  if (question.kind === 'experience' && !kinds.includes('lessons'))
    advice.push('Say what you learned from it, or what you would do differently today.');
  if (words > TOO_LONG) advice.push('Keep it under four minutes: leave out what the listener does not need.');
  return advice;
}
