import { USUAL, type Usual } from './usual-meaning.js';

/** What question, model answer and answer mean: a vector of the sentence encoder for the question and for each sentence. */
export interface Meanings {
  question: Float32Array;
  /** None without a model answer. */
  points: readonly Float32Array[];
  answer: readonly Float32Array[];
}

/** How near an answer's meaning is to what is asked and hoped for: cosines, -1 to 1, chance is about 0. */
export interface Likeness {
  /** Of the whole answer to the question. */
  asked: number;
  /** Of the answer's nearest sentence to the question. */
  answered: number;
  /** Of the whole answer to the whole model answer; null without one. */
  hoped: number | null;
  /** Of the nearest sentence to each of the model answer's points. */
  points: number[];
  /** Of each sentence to the nearest of question and points. */
  sentences: number[];
}

/** Three decimals: what differs in the last digits between two machines makes no difference to a score. */
const PRECISION = 1000;

function rounded(value: number): number {
  return Math.round(value * PRECISION) / PRECISION;
}

function dot(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += one[at]! * other[at]!;
  return sum;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector));
  if (length > 0) for (let at = 0; at < vector.length; at++) vector[at]! /= length;
  return vector;
}

/** What is its own in a meaning: all answers of interviews are alike in much, and so are all questions. */
function beyond(usual: readonly number[]): (vector: Float32Array) => Float32Array {
  return (vector) => {
    const rest = new Float32Array(vector.length);
    for (let at = 0; at < rest.length; at++) rest[at] = vector[at]! - usual[at]!;
    return unit(rest);
  };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function middle(vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float32Array(512);
  for (const vector of vectors) for (let at = 0; at < sum.length; at++) sum[at]! += vector[at]!;
  return unit(sum);
}

/**
 * Compares what is meant, and lets others have the event loop in between: under a millisecond a point.
 *
 * @param usual what all questions, all points of model answers and all sentences of answers mean
 */
export async function likenessOf(meanings: Meanings, usual: Usual = USUAL): Promise<Likeness> {
  const question = beyond(usual.question)(meanings.question);
  const points = meanings.points.map(beyond(usual.point));
  const answer = meanings.answer.map(beyond(usual.answer));
  await pause();
  const whole = middle(answer);
  const toQuestion = answer.map((sentence) => rounded(dot(sentence, question)));
  const sentences = [...toQuestion];
  const nearest: number[] = [];
  for (const point of points) {
    await pause();
    const likes = answer.map((sentence) => rounded(dot(sentence, point)));
    likes.forEach((like, at) => (sentences[at] = Math.max(sentences[at]!, like)));
    nearest.push(Math.max(...likes));
  }
  return {
    asked: rounded(dot(whole, question)),
    answered: Math.max(...toQuestion),
    hoped: points.length > 0 ? rounded(dot(whole, middle(points))) : null,
    points: nearest,
    sentences,
  };
}
