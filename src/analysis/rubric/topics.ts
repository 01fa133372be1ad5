import { fieldsOf } from './fields.js';
import { isGrammar, type Sentence } from './text.js';
import { isEveryday } from './words.js';

/** A term that belongs to fields. */
export interface Term {
  fields: readonly string[];
  /** How much it tells, 0 to 1. */
  worth: number;
}

/** What a text speaks of. */
export interface Topics {
  /** Stems, and those pairs of them, joined by `_`, that belong to fields. */
  stems: ReadonlySet<string>;
  /** Those that belong to fields, each once. */
  terms: readonly Term[];
  /** Stems that are not grammar, each once. */
  spoken: ReadonlySet<string>;
}

/** How fast a word's worth falls with the number of fields it belongs to: the power of that number. */
const SHARED_TERM = 0.5;
/** Words such as "ask" and "tell" belong to a field, and to every interview too. */
const EVERYDAY_WORTH = 0.4;

/** Every stem, and the pairs of neighbours that belong to a field together. */
function termsOf({ stems }: Sentence): string[] {
  const pairs = stems.slice(1).map((stem, at) => `${stems[at]}_${stem}`);
  return [...stems, ...pairs.filter((pair) => fieldsOf(pair).length > 0)];
}

export function topicsOf(sentences: readonly Sentence[]): Topics {
  const stems = new Set(sentences.flatMap(termsOf));
  const terms: Term[] = [];
  for (const stem of stems) {
    const fields = fieldsOf(stem);
    if (fields.length === 0) continue;
    terms.push({ fields, worth: (isEveryday(stem) ? EVERYDAY_WORTH : 1) / fields.length ** SHARED_TERM });
  }
  const spoken = new Set(
    sentences.flatMap(({ stems: all, words }) => all.filter((_, at) => !isGrammar(words[at] ?? ''))),
  );
  return { stems, terms, spoken };
}
