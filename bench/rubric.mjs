// Ranks of the offline rubric on the fixture answers, against their grades. `npm run build` first; `--tuned-half` leaves the held-out answers unseen.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { MeaningEngine } from '../dist/analysis/meaning/meaning-engine.js';
import { RubricScorer } from '../dist/analysis/rubric.scorer.js';
import { holds } from './rubric-hold.mjs';
import { sets } from './rubric-history.mjs';
import { spearman, violations } from './rubric-ranks.mjs';

const folder = new URL('../test/fixtures/answers/', import.meta.url);
const questions = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')));
const scorer = new RubricScorer(new MeaningEngine({ memoryLimitMb: 1500 }));
const KINDS = ['good', 'thin', 'off-topic', 'mumble'];
/** Relevance under which an answer counts as off topic (`OFF_TOPIC` in the rubric). */
const OFF_TOPIC = 42;

async function scoreOf({ question, model_answer: modelAnswer }, answer, guided, source = 'audio') {
  const { text: transcript, segments, duration } = answer;
  return scorer.score({
    question,
    modelAnswer: guided ? modelAnswer : null,
    role: null,
    transcript,
    segments: source === 'audio' ? segments : [],
    duration: source === 'audio' ? duration : null,
    source,
    language: 'en',
    signal: new AbortController().signal,
  });
}

/** One half of the questions, scored with their model answers (`guided`) or without. */
async function half(split, guided) {
  const chosen = questions.filter((question) => question.split === split);
  const rows = [];
  for (const question of chosen) {
    for (const answer of question.answers) {
      const spoken = await scoreOf(question, answer, guided);
      const written = await scoreOf(question, answer, guided, 'text');
      rows.push({
        id: question.id,
        kind: answer.kind,
        grade: answer.grade,
        score: spoken.score,
        written: written.score,
        criteria: spoken.criteria,
      });
    }
  }
  // Every good answer as an answer to each other question of the half: the hardest off-topic answers there are.
  const crossed = [];
  for (const from of chosen) {
    for (const to of chosen) {
      if (from === to) continue;
      const answer = from.answers.find(({ kind }) => kind === 'good');
      crossed.push({ id: to.id, score: (await scoreOf(to, answer, guided)).score });
    }
  }
  return { rows, crossed };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const relevance = (row) => row.criteria.find(({ name }) => name === 'relevance').score;

function ownViolations(rows) {
  const reached = (off) => rows.some((row) => row.id === off.id && row.grade >= 3 && row.score <= off.score);
  return rows.filter((row) => row.grade === 2 && reached(row)).length;
}

/** The numbers of one half, as the cells of a column. */
function numbers({ rows, crossed }) {
  const rho = (key) =>
    spearman(
      rows.map((row) => row[key]),
      rows.map((row) => row.grade),
    ).toFixed(3);
  const of = (kind) => rows.filter((row) => row.kind === kind);
  const off = of('off-topic');
  const pairs = off.length * rows.filter((row) => row.grade >= 3).length;
  const onTopic = rows.filter((row) => row.grade >= 3);
  const worse = crossed.filter((pair) => onTopic.some((row) => row.id === pair.id && row.score <= pair.score));
  const missed = (kind) => `${of(kind).filter((row) => relevance(row) < OFF_TOPIC).length} of ${of(kind).length}`;
  return [
    ['Spearman against the grades, spoken', `**${rho('score')}**`],
    ['… as text', rho('written')],
    ['off-topic ≥ on-topic, within the same question', `**${ownViolations(rows)}** of ${off.length}`],
    ['off-topic ≥ on-topic, over all pairs', `**${violations(rows, 'score')}** of ${pairs}`],
    ['… as text', `${violations(rows, 'written')} of ${pairs}`],
    ['off-topic answers that reach any on-topic one', reaching(rows)],
    ...KINDS.map((kind) => [`mean of ${kind}`, mean(of(kind).map((row) => row.score)).toFixed(1)]),
    ['good answers taken for off topic', missed('good')],
    ['thin answers taken for off topic', missed('thin')],
    ['good answers to other questions that reach an on-topic one', `${worse.length} of ${crossed.length}`],
  ];
}

function reaching(rows) {
  const off = rows.filter((row) => row.grade === 2);
  const lowest = Math.min(...rows.filter((row) => row.grade >= 3).map((row) => row.score));
  return `${off.filter((row) => row.score >= lowest).length} of ${off.length}`;
}

async function summary(split) {
  const [guided, alone] = [await half(split, true), await half(split, false)];
  const [left, right] = [numbers(guided), numbers(alone)];
  const count = guided.rows.length / KINDS.length;
  return [
    `## ${split === 'tune' ? 'Tuned' : 'Held-out'} questions (${count}, ${guided.rows.length} answers)`,
    '',
    '| | with model answer | question alone |',
    '|---|---|---|',
    ...left.map(([name, value], at) => `| ${name} | ${value} | ${right[at][1]} |`),
    '',
    ...(split === 'tune' ? [] : table(guided.rows, alone.rows)),
  ].join('\n');
}

/** A row per question: of each answer the score as it was spoken, as text, and spoken without the model answer. */
function table(guided, alone) {
  const ids = [...new Set(guided.map(({ id }) => id))];
  const cell = (id, kind) => {
    const at = guided.findIndex((row) => row.id === id && row.kind === kind);
    return [guided[at].score, guided[at].written, alone[at].score].join(' · ');
  };
  return [
    'Scores: spoken, with the model answer · the same as text · spoken, by the question alone.',
    '',
    `| question | ${KINDS.join(' | ')} |`,
    '|---|---|---|---|---|',
    ...ids.map((id) => `| ${[id, ...KINDS.map((kind) => cell(id, kind))].join(' | ')} |`),
    '',
  ];
}

if (process.argv.includes('--tuned-half')) {
  console.log(await summary('tune'));
} else {
  const text = [
    '# How the offline rubric ranks',
    '',
    `\`node bench/rubric.mjs\` after \`npm run build\`; scorer \`${scorer.id}\`. Answers: \`test/fixtures/answers\` (its README says how they were written and graded:`,
    '4 a good answer, 3 on the question but thin, 2 a fluent answer to another question, 1 a mumble).',
    ...sets,
    '',
    await summary('held-out'),
    await holds(scorer, questions),
    await summary('tune'),
  ].join('\n');
  writeFileSync(new URL('RUBRIC.md', import.meta.url), text);
  console.log(text);
}
await scorer.close();
