import type { Sentence } from './text.js';

const irregularPast = new Set(
  `was were had did made took gave came went got said told asked knew thought saw wanted needed tried used found felt left put met ran
  sent spent spoke stood understood began drove held heard meant rose threw cut dealt forgot drew became led taught chose built broke
  wrote fell grew sold won lost brought bought caught fought kept paid sat hit set shut split caught rang sang swam ate slept woke`.split(
    /\s+/,
  ),
);

/** Past forms that say how things were, not what somebody did. */
const stateOfThings = new Set(
  `was were had felt thought wanted needed knew liked loved hated seemed became heard saw understood believed hoped wished got
  used`.split(/\s+/),
);

const notPast = new Set(
  'need feed seed speed indeed exceed succeed proceed embed bed red shed agreed-upon hundred kindred based related'.split(
    ' ',
  ),
);

/** True of a verb in the past, as far as its form tells. */
export function isPast(word: string): boolean {
  return irregularPast.has(word) || (word.length > 4 && word.endsWith('ed') && !notPast.has(word));
}

const subjects = new Set(['i', 'we']);
/** Words that may stand between a subject and its verb, or join two verbs of one subject. */
const between = new Set(
  'then also just first finally quickly immediately personally really simply always never even only still and so openly'.split(
    ' ',
  ),
);

/**
 * What the speaker did: the past verbs of doing after `subject`, those joined by "and" or a comma within a few words included.
 */
export function deedsOf(sentence: Sentence, who: ReadonlySet<string> = subjects): string[] {
  const deeds: string[] = [];
  let reach = 0;
  sentence.words.forEach((word, at) => {
    if (who.has(word)) {
      reach = 3;
      return;
    }
    if (word === 'and' && deeds.length > 0) {
      reach = 2;
      return;
    }
    if (reach === 0) return;
    reach -= between.has(word) ? 0 : 1;
    if (isPast(word) && !stateOfThings.has(word)) {
      deeds.push(sentence.stems[at] ?? word);
      reach = 0;
    }
  });
  return deeds;
}

const people = new Set(['i', 'we', 'he', 'she', 'they', 'my', 'our', 'us', 'me', 'him', 'her', 'them']);

/** True of a sentence that tells what somebody did or what happened to them. */
export function isNarrated(sentence: Sentence): boolean {
  return sentence.words.some(isPast) && sentence.words.some((word) => people.has(word));
}

/** Share of the sentences, by their words, that tell a story. */
export function narratedShare(sentences: readonly Sentence[]): number {
  let all = 0;
  let narrated = 0;
  for (const sentence of sentences) {
    all += sentence.words.length;
    if (isNarrated(sentence)) narrated += sentence.words.length;
  }
  return all === 0 ? 0 : narrated / all;
}
