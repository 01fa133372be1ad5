import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { rows } from './rows.mjs';
import { mongoEngine } from './tools.mjs';

/** A run is disturbed when processes that are no part of it used more than so many cores. */
const DISTURBED = 0.25;

/**
 * @param {Record<string, Record<'vivavoce' | 'reference', object[]>>} results runs by row and side
 * @returns {string} the text of RESULTS.md
 */
export function report(results, { reps, seconds, command }) {
  const disturbed = Object.values(results)
    .flatMap((sides) => Object.values(sides).flat())
    .filter(({ others }) => others > DISTURBED).length;
  const parts = [
    '# Vivavoce beside the reference service',
    `\`${command}\`, ${new Date().toISOString().slice(0, 10)}, ${reps} runs of ${seconds} s of each side in turn; medians.`,
    `Machine: ${cpus()[0].model}, ${cpus().length} cores, ${memory()}, Node ${process.version}, ${process.platform} ${process.arch}. MongoDB: ` +
      `${mongoEngine().label}. Everything on loopback of this machine; each run has a MongoDB, a Redis and processes of its own.`,
    'Vivavoce has hashing, sniffing, ledger, authentication and limits on; the reference (FastAPI, GridFS, Celery) has none of them. ' +
      'The engine of both is a function of the worker that reads the audio and takes the time that is told. ' +
      'While uploads are measured both workers are off. "CPU" is what the API process uses for a request (user and system, all threads), ' +
      'the figure that neighbours disturb least; "MongoDB" is what the engine uses for it. `others`: cores used by processes that are no part of the run.',
  ];
  if (disturbed > 0) {
    parts.push(
      `**${disturbed} runs were disturbed** (other processes used more than ${DISTURBED} cores): then requests a second and milliseconds say little by themselves, ratios more.`,
    );
  }
  parts.push(table(sideBySide(results)), table(limits(results)), table(extras(results)));
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function sideBySide(results) {
  const lines = [
    [
      '',
      'Vivavoce /s',
      'reference /s',
      'ratio',
      'needs',
      'CPU ms',
      'reference',
      'ratio',
      'needs',
      'MongoDB ms',
      'others',
    ],
  ];
  for (const [name, { vivavoce, reference }] of Object.entries(results)) {
    const { needs, name: title } = rows[name];
    if (!reference || needs.rate === undefined) continue;
    const of = (runs, field) => median(runs, field);
    const [rate, theirs] = [of(vivavoce, 'per_s'), of(reference, 'per_s')];
    const [cpu, theirCpu] = [of(vivavoce, 'cpuMs'), of(reference, 'cpuMs')];
    lines.push([
      title,
      round(rate),
      round(theirs),
      `**${round(rate / theirs)}**`,
      mark(rate / theirs >= needs.rate, `≥ ${needs.rate}`),
      round(cpu),
      round(theirCpu),
      `**${round(cpu / theirCpu)}**`,
      needs.cpu === undefined ? '–' : mark(cpu / theirCpu <= needs.cpu, `≤ ${needs.cpu}`),
      `${round(of(vivavoce, 'mongoMs'))} / ${round(of(reference, 'mongoMs'))}`,
      [...vivavoce, ...reference].map(({ others }) => (others === undefined ? '–' : round(others))).join(' '),
    ]);
  }
  return lines;
}

function limits(results) {
  const lines = [['', 'Vivavoce', 'reference', 'needs']];
  const add = (name, field, unit, limit) => {
    const { vivavoce, reference } = results[name];
    const value = median(vivavoce, field);
    const theirs = reference ? `${round(median(reference, field))} ${unit}` : '–';
    lines.push([rows[name].name, `**${round(value)} ${unit}**`, theirs, mark(value <= limit, `≤ ${limit} ${unit}`)]);
  };
  if (results.memory) add('memory', 'peakMb', 'MiB', rows.memory.needs.peakMb);
  if (results.visible) {
    add('visible', 'overMs', 'ms', rows.visible.needs.overMs);
    const finer = (runs) => `${round(median(runs, 'finerMs'))} ms`;
    lines.push([
      'the same, asked for every 2 ms instead of every 10',
      finer(results.visible.vivavoce),
      finer(results.visible.reference),
      '–',
    ]);
  }
  if (results.loop) add('loop', 'lateMs', 'ms', rows.loop.needs.lateMs);
  return lines;
}

function extras(results) {
  const lines = [['', 'seconds']];
  if (results.analyze) {
    const { analyze } = results;
    lines.push([`${rows.analyze.name}, model not loaded yet`, round(median(analyze.vivavoce, 'coldS'))]);
    lines.push(['the same again, model loaded', round(median(analyze.vivavoce, 'warmS'))]);
  }
  return lines;
}

function table(lines) {
  if (lines.length < 2) return '';
  const [head, ...body] = lines;
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function median(runs, field) {
  const values = runs.map((run) => run[field]).sort((a, b) => a - b);
  const middle = Math.floor(values.length / 2);
  return values.length % 2 === 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

const mark = (met, text) => `${text} ${met ? '✓' : '✗'}`;

const round = (value) =>
  Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(value < 1 ? 2 : 3)));

function memory() {
  const total = /MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))[1];
  return `${Math.round(Number(total) / 2 ** 20)} GiB`;
}
