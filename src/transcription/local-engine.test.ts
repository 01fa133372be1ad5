import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { speechPath } from '../../test/support/audio-source.js';
import { LocalEngine, type LocalEngineOptions } from './local-engine.js';
import { freshMemory } from './vad-window.js';

const never = new AbortController().signal;
const engines: LocalEngine[] = [];

function engine(options: Partial<LocalEngineOptions> = {}): LocalEngine {
  const made = new LocalEngine({ threads: 1, memoryLimitMb: 1500, ...options });
  engines.push(made);
  return made;
}
afterEach(() => Promise.all(engines.splice(0).map((one) => one.close())));

const wav = readFileSync(speechPath('sense_and_sensibility_01_austen_64kb-0920.wav')).subarray(44);
const sentence = Float32Array.from({ length: wav.length >> 1 }, (_, i) => wav.readInt16LE(i * 2) / 32768);
const heard = /made still more respectable/;

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(state: () => boolean): Promise<void> {
  while (!state()) await delay(5);
}

describe('the process of the local engine', () => {
  it('goes on with what is in hand when whoever stops the service reaches it too', async () => {
    const one = engine();
    await one.start();
    const pid = one.pid!;
    const work = one.transcribe(sentence, never);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.kill(pid, signal);
    expect((await work).text).toMatch(heard);
    expect(one.pid).toBe(pid);
  });

  it('is one for all work, and ends with the engine', async () => {
    const one = engine();
    const [first, second] = await Promise.all([
      one.transcribe(sentence, never),
      one.transcribe(sentence.slice(), never),
      one.detect(sentence.subarray(0, 512 * 8), freshMemory(), never),
    ]);
    const pid = one.pid!;
    expect(first.text).toMatch(heard);
    expect(second).toEqual(first);
    await one.close();
    expect(alive(pid)).toBe(false);
    await expect(one.transcribe(sentence, never)).rejects.toMatchObject({ code: 'engine_closed', retryable: true });
  });

  it('is started again when it was killed, and what was in hand and what waited is done', async () => {
    const one = engine();
    await one.start();
    const killed = one.pid!;
    const work = [0, 1, 2].map(() => one.transcribe(sentence, never));
    process.kill(killed, 'SIGKILL');
    for (const { text } of await Promise.all(work)) expect(text).toMatch(heard);
    expect(one.pid).not.toBe(killed);
  });

  it('is ended by a poisonous piece at the cost of that piece alone', async () => {
    const one = engine();
    await one.start();
    // The piece that is in hand whenever the process dies is the poison.
    const poison = one.transcribe(sentence, never);
    process.kill(one.pid!, 'SIGKILL');
    const first = one.pid;
    const innocent = [one.transcribe(sentence, never), one.transcribe(sentence, never)];
    for (const { text } of await Promise.all(innocent)) expect(text).toMatch(heard);
    await until(() => one.pid !== undefined && one.pid !== first);
    process.kill(one.pid!, 'SIGKILL');
    await expect(poison).rejects.toMatchObject({ code: 'engine_crashed', retryable: true });
    expect((await one.transcribe(sentence, never)).text).toMatch(heard);
  });

  it('fails work that the model refuses, and lives on', async () => {
    const one = engine();
    await expect(one.transcribe(new Float32Array(0), never)).rejects.toMatchObject({ code: 'engine_failed' });
    const pid = one.pid;
    expect((await one.transcribe(sentence, never)).text).toMatch(heard);
    expect(one.pid).toBe(pid);
  });

  it('is killed when it hangs, and started again', async () => {
    const one = engine({ times: { work: 2_000 } });
    await one.start();
    const hanging = one.pid!;
    process.kill(hanging, 'SIGSTOP');
    const { probabilities } = await one.detect(sentence.subarray(0, 512 * 8), freshMemory(), never);
    expect(probabilities).toHaveLength(8);
    expect(alive(hanging)).toBe(false);
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('is killed above its memory limit, which fails the piece that took it there', async () => {
    const one = engine({ memoryLimitMb: 100 });
    const long = new Float32Array(28 * 16_000);
    for (let at = 0; at < long.length; at += sentence.length)
      long.set(sentence.subarray(0, Math.min(sentence.length, long.length - at)), at);
    await expect(one.transcribe(long, never)).rejects.toMatchObject({ code: 'engine_memory', retryable: true });
  });

  it('says what it said when it cannot be started', async () => {
    const one = engine({ times: { start: 1 } });
    await expect(one.start()).rejects.toMatchObject({ code: 'engine_not_started', retryable: true, uncounted: true });
  });

  it('ends when the worker that started it dies', async () => {
    const run = fileURLToPath(new URL('../../scripts/run-typescript.cjs', import.meta.url));
    const parent = fileURLToPath(new URL('../../test/support/local-engine-parent.ts', import.meta.url));
    const worker = spawn(process.execPath, [run, parent], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(worker.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(alive(pid)).toBe(true);
    worker.kill('SIGKILL');
    await until(() => !alive(pid));
  });
});

describe('aborted work', () => {
  it('leaves at once, and nothing else is touched', async () => {
    const one = engine();
    await one.start();
    const pid = one.pid;
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    const inHand = one.transcribe(sentence, abort.signal);
    const waiting = one.transcribe(sentence, abort.signal);
    const other = one.transcribe(sentence, never);
    abort.abort(reason);
    await expect(inHand).rejects.toBe(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(one.transcribe(sentence, abort.signal)).rejects.toBe(reason);
    expect((await other).text).toMatch(heard);
    expect(one.pid).toBe(pid);
  });

  it('is ended by force when it does not stop', async () => {
    const one = engine({ times: { stop: 50 } });
    await one.start();
    const hanging = one.pid!;
    process.kill(hanging, 'SIGSTOP');
    const abort = new AbortController();
    const stuck = one.transcribe(sentence, abort.signal);
    const other = one.transcribe(sentence, never);
    await delay(0);
    abort.abort(new Error('no longer wanted'));
    await expect(stuck).rejects.toThrow('no longer wanted');
    expect((await other).text).toMatch(heard);
    expect(alive(hanging)).toBe(false);
  });
});
