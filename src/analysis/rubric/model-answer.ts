import { fieldsOf } from './fields.js';
import { readText, type Sentence, upTo } from './text.js';
import { type Topics, topicsOf } from './topics.js';
import { isEveryday } from './words.js';

/** One thing that the answer the interviewer would like says. */
interface Point {
  text: string;
  /** Words that tell something; each counts once. */
  stems: readonly string[];
}

/** The answer that the interviewer would like. */
export interface ModelAnswer {
  points: readonly Point[];
  topics: Topics;
  /** Its sentences by their stems, joined by a space. */
  sentences: ReadonlySet<string>;
}

/** Characters of a model answer that are read: some 1,500 words, more than any needs. */
const LONGEST_MODEL = 8000;

/** Reads a model answer: each sentence that tells something is a point. Null when there is none. */
export async function readModelAnswer(text: string | null): Promise<ModelAnswer | null> {
  const sentences = text ? await readText(text.slice(0, LONGEST_MODEL)) : [];
  const points = sentences
    .map((sentence) => ({ text: sentence.text, stems: [...new Set(sentence.content)] }))
    .filter((point) => point.stems.length > 0);
  if (points.length === 0) return null;
  return { points, topics: topicsOf(sentences), sentences: new Set(sentences.map(keyOf)) };
}

export function keyOf(sentence: Sentence): string {
  return sentence.stems.join(' ');
}

/** Nobody uses the same words: a point counts as made when so much of it is said, in its words or by others of their fields. */
const MADE_AT = 0.4;
/** What a word counts that is not said itself, when others of one of its fields are. */
const BY_FIELD = 0.5;
/** Words of a field from which on it is spoken of, and not only touched. */
const FIELD_WORDS = 3;

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

/** Which of a model answer's points an answer makes. */
export function coverage({ points }: ModelAnswer, answer: Topics): Coverage {
  const fields = new Map<string, number>();
  for (const term of answer.terms)
    for (const field of term.fields) fields.set(field, (fields.get(field) ?? 0) + term.worth);
  const said = (stem: string) => {
    if (answer.stems.has(stem)) return 1;
    if (isEveryday(stem)) return 0;
    return BY_FIELD * upTo(FIELD_WORDS, Math.max(0, ...fieldsOf(stem).map((field) => fields.get(field) ?? 0)));
  };
  const degrees = points.map(({ text, stems }) => {
    const sum = stems.reduce((all, stem) => all + said(stem), 0);
    return { text, made: upTo(MADE_AT, sum / stems.length) };
  });
  return {
    share: degrees.reduce((sum, degree) => sum + degree.made, 0) / degrees.length,
    made: degrees.filter((degree) => degree.made >= 0.75).length,
    all: degrees.length,
    missed: degrees.filter((degree) => degree.made < 0.5).map((degree) => degree.text),
  };
}
