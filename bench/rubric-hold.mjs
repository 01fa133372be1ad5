// How long the offline rubric holds the event loop, and how long it takes, with the longest answer and model answer that are read.
import { cpus, loadavg } from 'node:os';

const RUNS = 10;
const READ = 30_000;
const MODEL = 20_000;

/** Longest time between two turns of the event loop while the scorer works, and the whole time, in ms. */
async function once(scorer, request) {
  let longest = 0;
  let last = performance.now();
  let running = true;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const begin = performance.now();
  await scorer.score(request);
  const whole = performance.now() - begin;
  await new Promise((resolve) => setImmediate(resolve));
  running = false;
  return { longest, whole };
}

async function repeated(scorer, request) {
  const runs = [];
  for (let run = 0; run < RUNS; run++) runs.push(await once(scorer, request));
  const sorted = (key) => runs.map((run) => run[key]).sort((a, b) => a - b);
  const [longest, whole] = [sorted('longest'), sorted('whole')];
  // The first run alone encodes every sentence: the latest are kept.
  return [longest[0], longest[RUNS / 2], longest.at(-1), runs[0].whole, whole[RUNS / 2]].map((value) =>
    value.toFixed(1),
  );
}

/** A section of RUBRIC.md. Other work on the machine lengthens what is measured: the least of the runs is nearest to the scorer's own. */
export async function holds(scorer, questions) {
  const words = questions.flatMap(({ answers }) => answers.map(({ text }) => text)).join(' ');
  const spoken = words.slice(0, READ);
  const model = words.slice(-MODEL);
  const inSentences = spoken.split(/(?<=[.?!]) /).map((text, at) => ({ start: at * 5, end: at * 5 + 4.5, text }));
  const begging = `${spoken.slice(0, 500)} ${'please give me the '.repeat(READ)}`.slice(0, READ);
  const flat = (text) => text.replaceAll(/[.?!]/g, '');
  const cases = {
    'question alone': [null, spoken, inSentences],
    'with a model answer of 20,000 characters': [model, spoken, inSentences],
    'both without a full stop': [flat(model), flat(spoken), [{ start: 0, end: 2400, text: flat(spoken) }]],
    'nearly begging, over and over': [model, begging, [{ start: 0, end: 2400, text: begging }]],
  };
  const rows = [];
  for (const [name, [modelAnswer, transcript, segments]] of Object.entries(cases)) {
    const request = {
      question: questions[0].question,
      modelAnswer,
      role: null,
      transcript,
      segments,
      duration: 2400,
      source: 'audio',
      language: 'en',
      signal: new AbortController().signal,
    };
    rows.push(`| ${[name, ...(await repeated(scorer, request))].join(' | ')} |`);
  }
  return [
    '## How long it holds the event loop',
    '',
    `An answer of ${READ.toLocaleString('en')} characters, some 40 minutes of speech; ${RUNS} runs, in ms; the bound is 20. Node ${process.versions.node}, ${cpus().length} × ${cpus()[0].model},`,
    `shared with other work while this ran (load average ${loadavg()[0].toFixed(0)}), which lengthens a hold: the shortest run is nearest to what the scorer itself takes.`,
    '',
    '| answer | longest hold, best run | median run | worst run | whole time, first run | median run |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
