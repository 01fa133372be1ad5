/** Spellings of the same spoken word. */
const SAME: Readonly<Record<string, string>> = { mr: 'mister', mrs: 'missus', dr: 'doctor' };

/** Words as they are compared: lower case, without punctuation; a hyphen parts words. */
export function spokenWords(text: string): string[] {
  return text
    .toLowerCase()
    .replace(/[’']/g, "'")
    .split(/[^\p{L}\p{N}']+/u)
    .map((word) => word.replace(/^'+|'+$/g, ''))
    .filter((word) => word !== '')
    .map((word) => SAME[word] ?? word);
}

/**
 * Word error rate: the fewest words to substitute, insert and delete that make `heard` of `said`, over the words of
 * `said` (Levenshtein's distance of words).
 */
export function wordErrorRate(said: string, heard: string): number {
  const from = spokenWords(said);
  const to = spokenWords(heard);
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, word] of from.entries()) {
    const next = [i + 1];
    for (const [j, other] of to.entries())
      next.push(Math.min(row[j]! + (word === other ? 0 : 1), row[j + 1]! + 1, next[j]! + 1));
    row = next;
  }
  return row[to.length]! / from.length;
}
