import { isGrammar, type Sentence } from './text.js';
import { isEveryday } from './words.js';

/** The way out is the same whether the language was given or noticed. */
const WAY_OUT = 'an OpenAI-compatible scorer (SCORER=openai with OPENAI_API_KEY) can score it.';

/** Share of known words under which a text is not English; English speech lies over 60 %, a close relative under 15 %. */
const KNOWN_SHARE = 0.2;

/** Why an answer in this language cannot be scored here, as a sentence; null for English and for unknown. */
export function notEnglish(language: string | null): string | null {
  if (language === null || /^en(?:$|[-_])|^english$/i.test(language)) return null;
  return `The offline rubric reads English only, and this answer is in “${language}”: ${WAY_OUT}`;
}

/** The same for a text whose language nobody named. */
export function doesNotReadAsEnglish(sentences: readonly Sentence[]): string | null {
  let words = 0;
  let known = 0;
  for (const sentence of sentences) {
    words += sentence.words.length;
    sentence.words.forEach((word, at) => {
      const stem = sentence.stems[at] ?? '';
      if (isGrammar(word) || isEveryday(stem)) known += 1;
    });
  }
  if (words === 0 || known / words >= KNOWN_SHARE) return null;
  return `The offline rubric reads English only, and this answer does not read as English: ${WAY_OUT}`;
}
