// What the local engine costs over a bare ONNX loop on the same pieces, both in one run:
//   node scripts/run-typescript.cjs bench/local-engine.ts        (writes bench/LOCAL_ENGINE.md)
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { loadConfig } from '../src/config/config.js';
import { Ffmpeg } from '../src/transcription/ffmpeg.js';
import { LocalTranscriber } from '../src/transcription/local.transcriber.js';
import { findLocalModels } from '../src/transcription/local-models.js';
import { PieceCutter, type SpeechPiece } from '../src/transcription/pieces.js';
import { freshMemory, VAD_WINDOW } from '../src/transcription/vad-window.js';
import { SpeechDetector } from '../src/transcription/vad.js';
import type { PieceStore } from '../src/transcription/transcriber.js';

const NO_PIECES: PieceStore = { load: async () => [], save: async () => undefined, of: () => NO_PIECES };

const ROUNDS = 6;
const REPEATS = 3;
const threads = Math.min(4, availableParallelism());
const usual = { intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential' } as const;
/** As the engine's process has it. */
const calm = { ...usual, extra: { session: { intra_op: { allow_spinning: '0' } } } };

interface Bare {
  encoder: InferenceSession;
  decoder: InferenceSession;
}

/** Greedy search and nothing else: no process of its own, no decoding of audio, no search for speech, no text. */
async function bareLoop({ encoder, decoder }: Bare, samples: Float32Array): Promise<number[]> {
  const input_values = new Tensor('float32', samples, [1, samples.length]);
  const { last_hidden_state } = await encoder.run({ input_values });
  const feeds: Record<string, Tensor> = { encoder_hidden_states: last_hidden_state! };
  for (const name of decoder.inputNames)
    if (name.startsWith('past')) feeds[name] = new Tensor('float32', new Float32Array(0), [0, 8, 1, 36]);
  const changing = decoder.outputNames.filter((name) => !name.includes('.encoder.'));
  const tokens = [1];
  while (tokens.length < 200) {
    feeds.input_ids = new Tensor('int64', BigInt64Array.of(BigInt(tokens.at(-1)!)), [1, 1]);
    feeds.use_cache_branch = new Tensor('bool', Uint8Array.of(tokens.length > 1 ? 1 : 0), [1]);
    const outputs = await (tokens.length > 1 ? decoder.run(feeds, changing) : decoder.run(feeds));
    const logits = outputs.logits!.data as Float32Array;
    let token = 0;
    for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[token]!) token = i;
    if (token === 2) break;
    tokens.push(token);
    for (const [name, tensor] of Object.entries(outputs))
      if (name !== 'logits') feeds[name.replace('present', 'past_key_values')] = tensor;
  }
  return tokens;
}

async function cutPieces(ffmpeg: Ffmpeg, path: string, vad: string): Promise<SpeechPiece[]> {
  const signal = new AbortController().signal;
  const chunks: Float32Array[] = [];
  for await (const chunk of ffmpeg.decodePcm({ audio: stored(path), signal })) chunks.push(chunk);
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const sound = new Float32Array(Math.ceil(length / VAD_WINDOW) * VAD_WINDOW);
  let at = 0;
  for (const chunk of chunks) {
    sound.set(chunk, at);
    at += chunk.length;
  }
  const detector = await SpeechDetector.load(vad, { ...usual, intraOpNumThreads: 1 });
  const { probabilities } = await detector.detect(sound, freshMemory());
  const cutter = new PieceCutter();
  return [...cutter.push(sound, probabilities), ...cutter.finish()];
}

function stored(path: string) {
  const bytes = readFileSync(path);
  return { open: () => Readable.from([bytes]), size: bytes.length, contentType: 'audio/webm' };
}

/** CPU seconds of this process, of its children that ended (ffmpeg) and of those that run (the engine); Linux, 100 ticks a second. */
function cpuSeconds(): number {
  const ticks = (pid: number | string, ended: boolean) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
      .map(Number);
    return fields[11]! + fields[12]! + (ended ? fields[13]! + fields[14]! : 0);
  };
  const running = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return (ticks('self', true) + running.reduce((sum, pid) => sum + ticks(pid, false), 0)) / 100;
}

const middle = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function run(): Promise<void> {
  const config = loadConfig({ LOCAL_INTRA_THREADS: String(threads) });
  const ffmpeg = new Ffmpeg(config, tmpdir());
  const models = findLocalModels();
  const reading = fileURLToPath(new URL('../test/fixtures/speech/reading.wav', import.meta.url));
  const path = join(tmpdir(), 'vivavoce-bench-local-engine.webm');
  const loop = ['-stream_loop', String(REPEATS - 1), '-i', reading, '-c:a', 'libopus', '-b:a', '24k'];
  execFileSync('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...loop, path]);

  const pieces = await cutPieces(ffmpeg, path, models.vad);
  const load = async (encoder: InferenceSession.SessionOptions, decoder = encoder): Promise<Bare> => ({
    encoder: await InferenceSession.create(models.encoder, encoder),
    decoder: await InferenceSession.create(models.decoder, decoder),
  });
  const loops = { spinning: await load(usual), calm: await load(calm, { ...calm, intraOpNumThreads: 1 }) };
  const transcriber = new LocalTranscriber(config, ffmpeg);
  await transcriber.warmUp();
  const bareRound = async (bare: Bare) => {
    for (const piece of pieces) await bareLoop(bare, piece.samples);
  };
  let duration = 0;
  const wholeRound = async () => {
    const transcript = await transcriber.transcribe({
      audio: stored(path),
      language: 'en',
      signal: new AbortController().signal,
      onDuration: () => undefined,
      pieces: NO_PIECES,
    });
    if (transcript.segments.length !== pieces.length) throw new Error('not the same pieces');
    duration = transcript.duration!;
  };

  const times = { spinning: [] as number[], calm: [] as number[], whole: [] as number[] };
  const work = { spinning: [] as number[], calm: [] as number[], whole: [] as number[] };
  const rounds = {
    spinning: () => bareRound(loops.spinning),
    calm: () => bareRound(loops.calm),
    whole: wholeRound,
  };
  for (let round = -1; round < ROUNDS; round++) {
    for (const name of ['spinning', 'whole', 'calm'] as const) {
      const [begin, cpuBefore] = [performance.now(), cpuSeconds()];
      await rounds[name]();
      // The first round warms up.
      if (round < 0) continue;
      times[name].push((performance.now() - begin) / 1000);
      work[name].push(cpuSeconds() - cpuBefore);
    }
  }
  await transcriber.close();

  const spoken = pieces.reduce((sum, piece) => sum + piece.samples.length / 16_000, 0);
  const row = (title: string, name: keyof typeof times) => {
    const [best, median] = [Math.min(...times[name]), middle(times[name])];
    return `| ${title} | ${best.toFixed(2)} | ${median.toFixed(2)} | ${(best / duration).toFixed(3)} | ${middle(work[name]).toFixed(2)} |`;
  };
  const over = (name: 'spinning' | 'calm', of: (values: number[]) => number) =>
    (of(times.whole) / of(times[name])).toFixed(2);
  const best = (values: number[]) => Math.min(...values);
  const report = `# The local engine over a bare ONNX loop

\`node scripts/run-typescript.cjs bench/local-engine.ts\`, ${new Date().toISOString().slice(0, 10)}.
Machine: ${cpus()[0]!.model.trim()}, ${cpus().length} cores, Node ${process.version}, ${process.platform} ${process.arch}; ${threads} threads for the encoder.

${duration.toFixed(1)} s of read speech as webm/opus, in ${pieces.length} pieces of ${spoken.toFixed(1)} s together. "Whole" is \`LocalTranscriber.transcribe\`: ffmpeg, search
for speech, cutting, the messages to the engine's process, recognition, text. "Bare" is greedy search over the same pieces, already cut, in
one process: once with ONNX Runtime's defaults, whose threads spin while they wait, once with the engine's own options (no
spinning, one thread for the decoder). All in turns, ${ROUNDS} rounds after one to warm up. Load of the machine at the end: ${loadavg()[0]!.toFixed(1)}; where it is above the
number of cores, other work ran beside, and only the ratio by CPU time (all processes together) is to be trusted.

| | best, s | median, s | real-time factor (best) | CPU, median, s |
|---|---|---|---|---|
${row("bare, ONNX Runtime's defaults", 'spinning')}
${row("bare, the engine's options", 'calm')}
${row('whole', 'whole')}

| whole / bare (goal: at most 1.25) | by the best rounds | by the medians | by CPU time |
|---|---|---|---|
| over ONNX Runtime's defaults | **${over('spinning', best)}** | ${over('spinning', middle)} | ${(middle(work.whole) / middle(work.spinning)).toFixed(2)} |
| over the engine's options | **${over('calm', best)}** | ${over('calm', middle)} | ${(middle(work.whole) / middle(work.calm)).toFixed(2)} |
`;
  writeFileSync(fileURLToPath(new URL('LOCAL_ENGINE.md', import.meta.url)), report);
  console.log(report);
}

run().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
