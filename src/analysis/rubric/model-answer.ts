import { readText, type Sentence } from './text.js';

/** The answer that the interviewer would like. */
export interface ModelAnswer {
  /** One thing each that it says. */
  points: readonly Sentence[];
  /** Its sentences by their stems, joined by a space. */
  sentences: ReadonlySet<string>;
}

/** Characters of a model answer that are read: some 1,500 words, more than any needs. */
const LONGEST_MODEL = 8000;

/** Reads a model answer: each sentence that tells something is a point. Null when there is none. */
export async function readModelAnswer(text: string | null): Promise<ModelAnswer | null> {
  const sentences = text ? await readText(text.slice(0, LONGEST_MODEL)) : [];
  const points = sentences.filter(({ content }) => content.length > 0);
  if (points.length === 0) return null;
  return { points, sentences: new Set(sentences.map(keyOf)) };
}

export function keyOf(sentence: Sentence): string {
  return sentence.stems.join(' ');
}

/** Likeness of an answer's nearest sentence to a point: what one on the same matter has, and where the point is made. */
const LIKE = { chance: 0.15, made: 0.45 };

/** What of a model answer an answer says. */
export interface Coverage {
  /** 0 to 1, every point alike. */
  share: number;
  /** How many points are made, and of how many. */
  made: number;
  all: number;
  /** The points that are not made. */
  missed: string[];
}

/**
 * Which of a model answer's points an answer makes, in whatever words.
 *
 * @param nearest for each point, the likeness of the answer's sentence that is nearest to it
 */
export function coverage({ points }: ModelAnswer, nearest: readonly number[]): Coverage {
  const degrees = points.map(({ text }, at) => {
    const above = ((nearest[at] ?? 0) - LIKE.chance) / (LIKE.made - LIKE.chance);
    return { text, made: Math.min(1, Math.max(0, above)) };
  });
  return {
    share: degrees.reduce((sum, degree) => sum + degree.made, 0) / degrees.length,
    made: degrees.filter((degree) => degree.made >= 0.75).length,
    all: degrees.length,
    missed: degrees.filter((degree) => degree.made < 0.5).map((degree) => degree.text),
  };
}
