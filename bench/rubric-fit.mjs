// What `rubric` takes from the tuned answers: the usual meanings (writes src/analysis/rubric/usual-meaning.ts) and the weights of relevance
// (printed; they stand in src/analysis/rubric/relevance.ts). `npm run build` first. Held-out answers are not read.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { MeaningEngine } from '../dist/analysis/meaning/meaning-engine.js';
import { clean } from '../dist/analysis/rubric/cleaning.js';
import { likenessOf } from '../dist/analysis/rubric/likeness.js';
import { readModelAnswer } from '../dist/analysis/rubric/model-answer.js';
import { readQuestion } from '../dist/analysis/rubric/question.js';
import { sharedWords } from '../dist/analysis/rubric/relevance.js';
import { readText } from '../dist/analysis/rubric/text.js';

const FOLDS = 10;
/** Of what speaks against: the questions' own off-topic answers count so much beside all answers to other questions. */
const OWN = 5 / 6;
/** Ridge: the larger, the freer the weights. */
const FREEDOM = 2;
const FLUENT = ['good', 'thin', 'off-topic'];
const SIGNALS = {
  'with model answer': ['asked', 'answered', 'shared', 'hoped'],
  'question alone': ['asked', 'answered', 'shared'],
};

const folder = new URL('../test/fixtures/answers/', import.meta.url);
const never = new AbortController().signal;
const engine = new MeaningEngine({ memoryLimitMb: 1500 });
const encode = (texts) => engine.encode(texts, never);

async function read({ question, model_answer, answers }) {
  const model = await readModelAnswer(model_answer);
  const fluent = FLUENT.map((kind) => answers.find((answer) => answer.kind === kind));
  return {
    question: readQuestion(question),
    meaning: (await encode([question]))[0],
    points: await encode(model.points.map(({ text }) => text)),
    answers: await Promise.all(
      fluent.map(async ({ text }) => {
        const { kept } = clean(await readText(text), question, model.sentences);
        return { kept, meaning: await encode(kept.map((sentence) => sentence.text)) };
      }),
    ),
  };
}

/** Mean of vectors, in ten-thousandths. */
function mean(vectors) {
  return Array.from({ length: 512 }, (_, at) => {
    const sum = vectors.reduce((all, vector) => all + vector[at], 0);
    return Math.round((1e4 * sum) / vectors.length) / 1e4;
  });
}

function usualOf(questions) {
  return {
    question: mean(questions.map(({ meaning }) => meaning)),
    point: mean(questions.flatMap(({ points }) => points)),
    answer: mean(questions.flatMap(({ answers }) => answers.flatMap(({ meaning }) => meaning))),
  };
}

/** Signals of every answer against every question: rows of `{ to, from, kind, signals }`. */
async function pairs(questions, usual) {
  const rows = [];
  for (const [to, question] of questions.entries())
    for (const [from, { answers }] of questions.entries())
      for (const [kind, { kept, meaning }] of answers.entries()) {
        const meanings = { question: question.meaning, points: question.points, answer: meaning };
        const shared = sharedWords(kept, question.question);
        rows.push({ to, from, kind, signals: { ...(await likenessOf(meanings, usual)), shared } });
      }
  return rows;
}

const isTo = ({ to, from, kind }) => to === from && kind < 2;

function solve(matrix, right) {
  const rows = matrix.map((row, at) => [...row, right[at]]);
  for (let at = 0; at < rows.length; at++) {
    const pivot = rows.slice(at).reduce((best, row) => (Math.abs(row[at]) > Math.abs(best[at]) ? row : best));
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(at, 0, pivot);
    for (const row of rows) {
      if (row === pivot) continue;
      const factor = row[at] / pivot[at];
      row.forEach((_, column) => (row[column] -= factor * pivot[column]));
    }
  }
  return rows.map((row, at) => row.at(-1) / row[at]);
}

/** Weights, the bias first: logistic regression with a ridge, by Newton's method; half of all weight speaks for. */
function fit(rows, names) {
  const groups = {
    to: rows.filter(isTo),
    own: rows.filter((row) => row.to === row.from && !isTo(row)),
    other: rows.filter((row) => row.to !== row.from),
  };
  const count = groups.own.length;
  const share = {
    to: 0.5 / groups.to.length,
    own: (0.5 * OWN) / count,
    other: (0.5 * (1 - OWN)) / groups.other.length,
  };
  const data = Object.entries(groups).flatMap(([group, members]) =>
    members.map(({ signals }) => ({
      x: [1, ...names.map((name) => signals[name])],
      y: group === 'to' ? 1 : 0,
      weight: 2 * count * share[group],
    })),
  );
  const spread = names.map((_, at) => {
    const values = data.map(({ x }) => x[at + 1]);
    const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length;
  });
  let weights = [0, ...names.map(() => 0)];
  for (let step = 0; step < 25; step++) {
    const slope = weights.map((weight, at) => (at === 0 ? 0 : (weight * spread[at - 1]) / FREEDOM));
    const bend = weights.map((_, row) => weights.map((_, at) => (row === at && at > 0 ? spread[at - 1] / FREEDOM : 0)));
    for (const { x, y, weight } of data) {
      const p = 1 / (1 + Math.exp(-dot(weights, x)));
      x.forEach((value, row) => {
        slope[row] += weight * (p - y) * value;
        x.forEach((other, at) => (bend[row][at] += weight * p * (1 - p) * value * other));
      });
    }
    const step = solve(bend, slope);
    weights = weights.map((weight, at) => weight - step[at]);
  }
  return weights;
}

function dot(one, other) {
  return one.reduce((sum, value, at) => sum + value * other[at], 0);
}

/** Odds of the own answers of the questions left out of each fold, by what the other questions teach. */
async function crossValidated(questions, names) {
  const own = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    const rest = questions.filter((_, at) => at % FOLDS !== fold);
    const left = questions.filter((_, at) => at % FOLDS === fold);
    const usual = usualOf(rest);
    const weights = fit(await pairs(rest, usual), names);
    const rows = (await pairs(left, usual)).filter(({ to, from }) => to === from);
    for (const row of rows)
      own.push({
        question: left[row.to],
        on: isTo(row),
        odds: dot(weights, [1, ...names.map((name) => row.signals[name])]),
      });
  }
  return own;
}

function report(own) {
  const on = own.filter((row) => row.on);
  const off = own.filter((row) => !row.on);
  const sorted = (rows) => rows.map(({ odds }) => odds).sort((a, b) => a - b);
  const at = (rows, share) => sorted(rows)[Math.round(share * (rows.length - 1))].toFixed(2);
  const reached = (pairsOf) =>
    off.reduce((sum, row) => sum + on.filter((other) => pairsOf(row, other) && row.odds >= other.odds).length, 0);
  return [
    `odds of on-topic answers: least ${at(on, 0)}, 1 % ${at(on, 0.01)}, 5 % ${at(on, 0.05)}, half ${at(on, 0.5)}`,
    `of off-topic answers: half ${at(off, 0.5)}, 95 % ${at(off, 0.95)}, 99 % ${at(off, 0.99)}, most ${at(off, 1)}`,
    `off-topic ≥ on-topic: ${reached((row, other) => row.question === other.question)} within a question, ${reached(() => true)} of ${off.length * on.length} pairs`,
  ].join('\n  ');
}

const questions = [];
for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  const question = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
  if (question.split === 'tune') questions.push(await read(question));
}
const usual = usualOf(questions);
const rows = await pairs(questions, usual);
for (const [how, names] of Object.entries(SIGNALS)) {
  const weights = fit(rows, names);
  console.log(`${how}: ${['bias', ...names].map((name, at) => `${name} ${weights[at].toFixed(1)}`).join(', ')}`);
  if (!process.argv.includes('--fast')) console.log(`  ${report(await crossValidated(questions, names))}`);
}
const code = [
  '/**',
  ' * What questions, the points of model answers and the sentences of answers mean whatever an interview is about: the means of their vectors over',
  ' * the tuned questions of `test/fixtures/answers`. Written by `bench/rubric-fit.mjs`.',
  ' */',
  "export type Usual = Readonly<Record<'question' | 'point' | 'answer', readonly number[]>>;",
  '',
  'export const USUAL: Usual = {',
  ...Object.entries(usual).map(([name, values]) => `  ${name}: [${values.join(', ')}],`),
  '};',
  '',
].join('\n');
writeFileSync(new URL('../src/analysis/rubric/usual-meaning.ts', import.meta.url), code);
await engine.close();
