import { isToTheGrader } from './grader-talk.js';
import { isGrammar, type Sentence } from './text.js';
import { isFiller } from './vague.js';
import { plain, tokenize } from './words.js';

/** Why a sentence earns nothing. */
export type Discount =
  'addressed to the grader' | 'said before' | 'the question read out' | 'keywords without a sentence';

export interface Cleaned {
  /** What is scored. */
  kept: Sentence[];
  dropped: { sentence: Sentence; why: Discount }[];
  /** Short ones that were said before, "Okay." or "Um.": how people speak, so they count in the delivery, and in nothing else. */
  again: Sentence[];
}

/** A sentence of fewer words, fillers apart, and of less content is no statement that could be repeated. */
const STATEMENT = { words: 5, content: 2 };

function isStatement({ tokens, content }: Sentence): boolean {
  return tokens.filter((token) => !isFiller(token)).length >= STATEMENT.words || content.length >= STATEMENT.content;
}

/** A pasted question is mostly one long run of its words; an opening such as "a time I missed a deadline was" is not. */
const READ_OUT = { fewestWords: 5, share: 0.7 };

function isReadOut(sentence: Sentence, question: ReadonlySet<string>): boolean {
  if (sentence.words.length < READ_OUT.fewestWords) return false;
  let copied = 0;
  for (let at = 0; at + 2 < sentence.words.length; at++) if (question.has(trigram(sentence.words, at))) copied += 1;
  return copied / (sentence.words.length - 2) >= READ_OUT.share;
}

function trigram(words: readonly string[], at: number): string {
  return `${words[at]} ${words[at + 1]} ${words[at + 2]}`;
}

/** Ordinary English has some 40 to 60 % grammar words, telegram style 25 %; a heap of keywords almost none. */
const STUFFING = { fewestWords: 8, grammarShare: 0.18, distinctShare: 0.34 };

function isStuffing(sentence: Sentence): boolean {
  const count = sentence.words.length;
  if (count < STUFFING.fewestWords) return false;
  if (sentence.words.filter(isGrammar).length / count < STUFFING.grammarShare) return true;
  return count >= 15 && new Set(sentence.words).size / count < STUFFING.distinctShare;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Takes out what may earn nothing, in one pass over the sentences. Those of the model answer, by their stems, may be in keywords or repeat
 * the question: who says just what the interviewer hopes to hear loses nothing by it.
 */
export function clean(sentences: readonly Sentence[], question: string, hopedFor = NONE): Cleaned {
  const words = tokenize(question).map(plain);
  const asked = new Set(words.map((_, at) => trigram(words, at)));
  const said = new Set<string>();
  const result: Cleaned = { kept: [], dropped: [], again: [] };
  for (const sentence of sentences) {
    const key = sentence.stems.join(' ');
    const why = discountOf(sentence, asked, said, hopedFor, key);
    said.add(key);
    if (why === 'said before' && !isStatement(sentence)) result.again.push(sentence);
    else if (why) result.dropped.push({ sentence, why });
    else result.kept.push(sentence);
  }
  return result;
}

function discountOf(
  sentence: Sentence,
  asked: ReadonlySet<string>,
  said: ReadonlySet<string>,
  hopedFor: ReadonlySet<string>,
  key: string,
): Discount | null {
  if (isToTheGrader(sentence.text)) return 'addressed to the grader';
  if (said.has(key)) return 'said before';
  if (hopedFor.has(key)) return null;
  if (isReadOut(sentence, asked)) return 'the question read out';
  return isStuffing(sentence) ? 'keywords without a sentence' : null;
}
