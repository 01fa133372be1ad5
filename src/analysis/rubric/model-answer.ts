import { readText } from './text.js';

/** The points of the answer that the interviewer would like. */
export interface ModelPoints {
  points: { text: string; stems: ReadonlySet<string> }[];
  /** Of all points. */
  stems: ReadonlySet<string>;
}

/** Share of a point's content words at which it counts as made: nobody uses the same words. */
const MADE_AT = 0.45;

/** Reads a model answer: each sentence with content is a point. Null when there is none. */
export async function readModelAnswer(text: string | null): Promise<ModelPoints | null> {
  const sentences = text ? await readText(text) : [];
  const points = sentences
    .map((sentence) => ({ text: sentence.text, stems: new Set(sentence.content) }))
    .filter((point) => point.stems.size > 0);
  if (points.length === 0) return null;
  return { points, stems: new Set(points.flatMap((point) => [...point.stems])) };
}

/** How much of a model answer an answer with these stems covers: 0 to 1, the points made and those missed. */
export function coverage(model: ModelPoints, stems: ReadonlySet<string>) {
  const degrees = model.points.map((point) => {
    const shared = [...point.stems].filter((stem) => stems.has(stem)).length;
    return { text: point.text, made: Math.min(1, shared / point.stems.size / MADE_AT) };
  });
  return {
    share: degrees.reduce((sum, degree) => sum + degree.made, 0) / degrees.length,
    made: degrees.filter((degree) => degree.made >= 0.75).length,
    all: degrees.length,
    missed: degrees.filter((degree) => degree.made < 0.5).map((degree) => degree.text),
  };
}
