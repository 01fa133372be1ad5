import { count, type Finding, listed, strongest } from './criterion.js';
import { deedsOf } from './form.js';
import type { Question } from './question.js';
import { type Sentence, toScore, upTo } from './text.js';
import { vagueIn } from './vague.js';

const numberWords = new Set(
  `two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty
  forty fifty sixty seventy eighty ninety hundred thousand million billion half twice third quarter dozen percent`.split(
    /\s+/,
  ),
);

/** Capital letters that are no name. */
const notNames = new Set(
  `I I'm I've I'd I'll OK Okay Yes No Well So And But The A An It We They He She My Our In On At First Then Um Uh Mr Mrs Ms Dr Prof St`.split(
    ' ',
  ),
);

function numbersIn(sentence: Sentence): string[] {
  return sentence.tokens.filter(
    (token) =>
      /\d/.test(token) ||
      token
        .toLowerCase()
        .split('-')
        .some((part) => numberWords.has(part)),
  );
}

/** Names: capitalised words that do not begin the sentence, and abbreviations. */
function namesIn(sentence: Sentence): string[] {
  return sentence.tokens.filter(
    (token, at) => /^\p{Lu}/u.test(token) && !notNames.has(token) && (at > 0 || /^\p{Lu}{2}/u.test(token)),
  );
}

interface Found {
  numbers: number;
  names: number;
  deeds: number;
  content: number;
  vague: number;
  words: number;
}

function findIn(sentences: readonly Sentence[]): Found {
  const distinct = (of: (sentence: Sentence) => string[]) => new Set(sentences.flatMap(of)).size;
  return {
    numbers: distinct(numbersIn),
    names: distinct(namesIn),
    deeds: distinct((sentence) => deedsOf(sentence)),
    content: distinct((sentence) => sentence.content),
    vague: sentences.reduce((sum, sentence) => sum + vagueIn(sentence), 0),
    words: sentences.reduce((sum, sentence) => sum + sentence.words.length, 0),
  };
}

/** How concrete an answer is: numbers, names, the matter's own words, and what the speaker did, against vague filler. */
export function judgeSpecificity(sentences: readonly Sentence[], question: Question): Finding {
  const found = findIn(sentences);
  // An explanation is made concrete by the words it takes, a story by what was done.
  const own =
    question.kind === 'knowledge' ? upTo(25, found.content) : upTo(question.kind === 'experience' ? 5 : 4, found.deeds);
  const matter = question.kind === 'experience' ? upTo(45, found.content) : upTo(35, found.content);
  const exact = upTo(question.kind === 'experience' ? 5 : 4, found.numbers + found.names);
  const vagueShare = found.words === 0 ? 0 : found.vague / found.words;
  const clear = 1 - 0.7 * upTo(0.12, vagueShare);
  const score = toScore((0.35 * exact + 0.3 * own + 0.35 * matter) * clear);
  const rests = strongest(sentences, (sentence) => {
    const concrete = numbersIn(sentence).length * 2 + namesIn(sentence).length * 2 + deedsOf(sentence).length;
    return concrete + upTo(10, sentence.content.length);
  });
  return { score, reason: reasonOf(found, question, vagueShare), rests, advice: adviceOf(found, question, vagueShare) };
}

function reasonOf(found: Found, question: Question, vagueShare: number): string {
  const has = [
    ...(found.numbers > 0 ? [count(found.numbers, 'number')] : []),
    ...(found.names > 0 ? [count(found.names, 'name')] : []),
    ...(question.kind !== 'knowledge' && found.deeds > 0
      ? [`${count(found.deeds, 'action')} of the candidate’s own`]
      : []),
  ];
  const vague = vagueShare > 0.03 ? `, and ${count(found.vague, 'vague expression')} such as “stuff” or “I guess”` : '';
  if (has.length === 0) return `It stays general: it has no numbers, names or steps that could be checked${vague}.`;
  return `It has ${listed(has)}${vague}.`;
}

function adviceOf(found: Found, question: Question, vagueShare: number): string[] {
  const advice: string[] = [];
  if (vagueShare > 0.03) advice.push('Replace vague words such as “stuff”, “something” or “I guess” by what you mean.');
  if (found.numbers < 2) advice.push('Put in numbers: how many, how long, how much better or worse.');
  if (question.kind === 'experience' && found.deeds < 3)
    advice.push('Say “I” where you did it yourself, so that your part is clear.');
  if (found.names < 1)
    advice.push('Name the place, the product, the tool or the people’s roles, so that the listener can picture it.');
  return advice;
}
