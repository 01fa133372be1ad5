import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { machineBusyMs } from './processes.mjs';
import { loadTool } from './tools.mjs';

const SAMPLE_MS = 100;

/**
 * One run of the reference's load tool against a stack.
 *
 * @param {{scenario: string, vus: number, seconds: number, file: string, pollMs?: number}} load
 * @returns the tool's figures, `cpuMs` of the API process per successful request, and `others`: how many cores processes
 *   used that are no part of the run
 */
export async function runLoad(stack, { scenario, vus, seconds, file, pollMs = 2 }) {
  const tool = loadTool();
  const env = {
    ...process.env,
    ...stack.loadgen,
    BASE_URL: stack.base,
    SCENARIO: scenario,
    VUS: String(vus),
    SECONDS: String(seconds),
    FILE: tool.audio(file),
    POLL_MS: String(pollMs),
  };
  const before = usage(stack);
  const samples = [before];
  const child = spawn(tool.binary, [], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setInterval(() => samples.push(usage(stack)), SAMPLE_MS);
  let printed = '';
  child.stdout.on('data', (text) => (printed += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const after = usage(stack);
  const { exitCode, signalCode } = stack.api.child;
  if (!stack.api.running) throw new Error(`The API ended: ${signalCode ?? exitCode}\n${stack.api.lastWords()}`);
  if (code !== 0) throw new Error(`The load tool ended with ${code}`);
  const result = JSON.parse(printed.trim().split('\n').at(-1));
  // The status scenario sets itself up first: only the time under load counts.
  const began = after.at - result.seconds * 1000;
  const start = samples.reduce((best, one) => (Math.abs(one.at - began) < Math.abs(best.at - began) ? one : best));
  const elapsed = after.at - start.at;
  // What the machine did beyond our processes and the load tool, which is small and not counted apart.
  const own = after.own - start.own;
  const loader = 0.12 * result.ok * (scenario === 'status' ? 0.3 : 1);
  return {
    ...result,
    cpuMs: (after.api - start.api) / Math.max(1, result.ok),
    mongoMs: (after.mongo - start.mongo) / Math.max(1, result.ok),
    others: Math.max(0, (after.busy - start.busy - own - loader) / elapsed),
  };
}

function usage(stack) {
  const own = stack.processes.reduce((sum, process) => sum + process.cpuMs(), 0);
  return {
    at: performance.now(),
    api: stack.api.cpuMs(),
    mongo: stack.servers.processes[0].cpuMs(),
    own,
    busy: machineBusyMs(),
  };
}

/** Uploads each `[session, question, bytes]`, `parallel` at a time; throws unless all are accepted. */
export async function uploadAll(stack, uploads, parallel, type = 'audio/webm') {
  const waiting = [...uploads];
  const one = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [session, question, bytes] = next;
      const form = new FormData();
      form.append('audio', new Blob([bytes], { type }), 'answer.webm');
      const url = `${stack.base}/upload-answer/${session}/${question}`;
      const response = await fetch(url, { method: 'POST', headers: stack.headers, body: form });
      if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: parallel }, one));
}

/** The same WebM with a Void element (EBML) at its end that no other copy has: other bytes, the same sound. */
export function unique(webm) {
  return Buffer.concat([webm, Buffer.from([0xec, 0x88]), randomBytes(8)]);
}
