import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PermanentError, TransientError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { empty, readFault, verdict } from './ffmpeg-verdict.js';
import { Spool } from './spool.js';
import type { AudioSource } from './transcriber.js';

/** Samples a second of what `decodePcm` gives. */
export const SAMPLE_RATE = 16_000;

/** The demuxer is named for ffmpeg, so that no byte of the file can choose another (playlists, protocols, devices). */
const DEMUXERS: Readonly<Record<string, string>> = {
  'audio/webm': 'matroska',
  'audio/ogg': 'ogg',
  'audio/wav': 'wav',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'mov',
  'audio/flac': 'flac',
};

/** A longer gap, in seconds, is more likely a clock that was put right than silence, and to fill it takes memory. */
const LONGEST_GAP_S = 60;
/** Times that go back further, in seconds, are those of another recording that was put behind the first. */
const LONGEST_STEP_BACK_S = 1;
/**
 * Samples carry no times: what is missing between two pieces of sound is filled with silence, so that what follows is where it was.
 * None is ever dropped: times may be those of arrival, several pieces at once, or of a clock that is slow. `st(0)` is where the sound
 * so far ends, `st(1)` what makes times of the file ours, `st(2)` where this piece goes. They begin anew where the format changes.
 */
const ON_TIME = [
  `asetpts=${[
    `st(1, if(eq(N, 0), 0-PTS, if(lt(PTS+ld(1), ld(0)-${LONGEST_STEP_BACK_S}/TB), ld(0)-PTS, min(ld(1), ld(0)+${LONGEST_GAP_S}/TB-PTS))))`,
    'st(2, max(ld(0), PTS+ld(1)))',
    'st(0, ld(2)+S/SR/TB)',
    'ld(2)',
  ]
    .join(';')
    .replace(/[,;]/g, String.raw`\$&`)}`,
  'aresample=async=1',
];

const TICK_MS = 200;
/** A tick that comes later was held up with all of the process: paused, or by a busy machine. */
const LONGEST_TICK_MS = 5 * TICK_MS;
const STDERR_CHARACTERS = 1 << 20;
const CHECKED_FOR_MS = 30_000;

export interface FfmpegRequest {
  audio: AudioSource;
  /** ffmpeg's output options, e.g. `['-ac', '1', '-f', 'ogg']`; the output itself, pipe:1, is added. */
  output: string[];
  /** ffmpeg's audio filters, each as `-af` takes it. */
  filters?: readonly string[];
  /** Kills ffmpeg at once. */
  signal: AbortSignal;
}

export interface FfmpegRun {
  /** What ffmpeg writes. It ends early, without an error of its own, when the run fails: await `done` after it. */
  stdout: Readable;
  /**
   * Resolves when ffmpeg has ended well and all its output was read; `stderr` is what it said at log level info, at
   * most the last 1 MiB. Rejects with the signal's reason, or a `PermanentError` (`audio_undecodable`, `audio_truncated`,
   * `audio_empty`, `decoder_timeout`, `decoder_memory`) or `TransientError` (`ffmpeg_missing`, `audio_unreadable`,
   * `decoder_killed`, `scratch_unwritable`).
   */
  done: Promise<{ stderr: string }>;
}

/**
 * Runs ffmpeg over stored audio: without a shell, with the demuxer and the protocol fixed, within limits of time and
 * memory, and with back-pressure from the reader of its output to the store that its input comes from.
 */
export class Ffmpeg {
  private limiter: Promise<string[]> | null = null;
  private readonly spool: Spool;
  private checkedAt = -Infinity;

  /** @param scratch folder for audio that must be seekable to be decoded; made when it is needed */
  constructor(
    private readonly config: Config,
    scratch: string,
  ) {
    this.spool = new Spool(scratch);
  }

  run(request: FfmpegRequest): FfmpegRun {
    const stdout = new PassThrough({ highWaterMark: 1 << 17 });
    const done = this.execute(request, stdout).finally(() => stdout.end());
    // The reader meets a failure when it awaits `done`, after `stdout` has ended.
    done.catch(() => undefined);
    return { stdout, done };
  }

  /**
   * Decodes to 16 kHz mono, samples from -1 to 1, in arrays of a few thousand.
   *
   * @throws as `FfmpegRun.done`
   */
  async *decodePcm({ audio, signal, filters }: Omit<FfmpegRequest, 'output'>): AsyncGenerator<Float32Array> {
    const output = ['-ac', '1', '-ar', String(SAMPLE_RATE), '-c:a', 'pcm_s16le', '-f', 's16le'];
    const { stdout, done } = this.run({ audio, output, signal, filters });
    let odd: Buffer = Buffer.alloc(0);
    let seen = 0;
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      const bytes = odd.length > 0 ? Buffer.concat([odd, chunk]) : chunk;
      const samples = new Float32Array(bytes.length >> 1);
      for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(i * 2) / 32768;
      odd = bytes.subarray(samples.length * 2);
      seen += samples.length;
      if (samples.length > 0) yield samples;
    }
    await done;
    if (seen === 0) throw empty();
  }

  /** Rejects with `ffmpeg_missing` when ffmpeg cannot be run within its limits. Looks again every 30 s at most. */
  async check(): Promise<void> {
    if (performance.now() - this.checkedAt < CHECKED_FOR_MS) return;
    const [command, ...args] = await this.command();
    await new Promise<void>((resolve, reject) => {
      const child = spawn(command!, [...args, '-version'], { stdio: 'ignore', timeout: 10_000, killSignal: 'SIGKILL' });
      const missing = (cause?: unknown) => reject(this.missing(cause));
      child.once('error', missing);
      child.once('exit', (code) => (code === 0 ? resolve() : missing()));
    });
    this.checkedAt = performance.now();
  }

  private async execute(
    { audio, output, signal, filters = [] }: FfmpegRequest,
    stdout: PassThrough,
  ): Promise<{ stderr: string }> {
    const demuxer = DEMUXERS[audio.contentType];
    if (demuxer === undefined)
      throw new PermanentError('audio_undecodable', `Audio of type ${audio.contentType} cannot be decoded.`);
    if (audio.size === 0) throw empty();
    signal.throwIfAborted();
    // The index of an mp4 may stand at its end: it is the one format that cannot be read as it comes.
    const spool = demuxer === 'mov' ? await this.spool.copy(audio, signal) : null;
    try {
      const input = spool ? ['-protocol_whitelist', 'file'] : ['-protocol_whitelist', 'pipe'];
      const [command, ...limits] = await this.command();
      const args = [
        ...limits,
        ...['-nostdin', '-hide_banner', '-threads', '1'],
        ...['-max_alloc', String(this.config.FFMPEG_MEMORY_LIMIT_MB * 2 ** 20)],
        ...[...input, '-f', demuxer, '-i', spool ? 'file:/dev/stdin' : 'pipe:0'],
        ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-map_metadata', '-1'],
        ...['-af', [...filters, ...ON_TIME].join(','), ...output, 'pipe:1'],
      ];
      signal.throwIfAborted();
      // In a group of its own: Ctrl-C is meant for the service, which finishes or gives back what is in hand.
      const child = spawn(command!, args, { stdio: [spool ? spool.fd : 'pipe', 'pipe', 'pipe'], detached: true });
      return await this.supervise(child, audio, stdout, signal);
    } finally {
      await spool?.close();
    }
  }

  private supervise(child: ChildProcess, audio: AudioSource, stdout: PassThrough, signal: AbortSignal) {
    return new Promise<{ stderr: string }>((resolve, reject) => {
      let failure: Error | undefined;
      const stop = (reason: unknown) => {
        failure ??= reason as Error;
        child.kill('SIGKILL');
        // What is still in the pipe has no reader to wait for.
        child.stdout?.destroy();
      };
      const onAbort = () => stop(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });

      const log = new Log();
      child.stderr?.setEncoding('utf8').on('data', (text: string) => log.add(text));
      child.stdout?.pipe(stdout, { end: false });
      // A reader that leaves before the end wants no more of this run.
      stdout.once('close', () => {
        if (!stdout.readableEnded) stop(new Error('The reader of the decoded audio went away.'));
      });
      if (child.stdin) this.feed(child, audio, stop);

      let worked = 0;
      let last = performance.now();
      const timer = setInterval(() => {
        const now = performance.now();
        // Time in which the reader keeps ffmpeg waiting is not ffmpeg's; nor is that in which this process stood still.
        if (!stdout.writableNeedDrain) worked += Math.min(now - last, LONGEST_TICK_MS) / 1000;
        last = now;
        if (worked <= Math.max(this.config.FFMPEG_TIMEOUT_S, log.mediaSeconds)) return;
        const starving = child.stdin !== null && !child.stdin.writableEnded && child.stdin.writableLength === 0;
        stop(
          starving
            ? readFault(new Error('no bytes in time'))
            : new PermanentError('decoder_timeout', 'The audio took too long to decode.'),
        );
      }, TICK_MS);

      const settle = (act: () => void) => {
        clearInterval(timer);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      child.once('error', (error) => settle(() => reject(failure ?? this.missing(error))));
      child.once('close', (code, killedBy) =>
        settle(() => {
          if (failure !== undefined) return reject(failure);
          const fault = verdict({ code, killedBy, stderr: log.text });
          if (fault === null) resolve({ stderr: log.text });
          else reject(fault === 'missing' ? this.missing() : fault);
        }),
      );
      if (signal.aborted) onAbort();
    });
  }

  /** Streams the audio into ffmpeg's stdin. That ffmpeg stops reading is its business, that the store fails is not. */
  private feed(child: ChildProcess, audio: AudioSource, stop: (reason: unknown) => void): void {
    const source = audio.open();
    const sink = child.stdin!;
    let first: 'source' | 'sink' | undefined;
    source.once('error', () => (first ??= 'source'));
    sink.once('error', () => (first ??= 'sink'));
    pipeline(source, sink).catch((error: unknown) => {
      const ended = child.exitCode !== null || child.signalCode !== null || child.killed || child.pid === undefined;
      if (first === 'source' || (first === undefined && !ended)) stop(readFault(error));
    });
  }

  /** ffmpeg under `prlimit` (util-linux) where there is one; elsewhere only `-max_alloc` bounds its memory. */
  private async command(): Promise<string[]> {
    this.limiter ??= findPrlimit().then((prlimit) =>
      prlimit ? [prlimit, `--as=${this.config.FFMPEG_MEMORY_LIMIT_MB * 2 ** 20}`, '--core=0'] : [],
    );
    return [...(await this.limiter), this.config.FFMPEG_PATH];
  }

  private missing(cause?: unknown): TransientError {
    const message = `ffmpeg cannot be run as "${this.config.FFMPEG_PATH}": install it, or set FFMPEG_PATH.`;
    return new TransientError('ffmpeg_missing', message, { cause, retryAfter: 30, uncounted: true });
  }
}

/** The tail of what ffmpeg says, without its progress lines, of which only the time reached is kept. */
class Log {
  text = '';
  mediaSeconds = 0;
  private partial = '';

  add(chunk: string): void {
    const lines = (this.partial + chunk).split(/[\r\n]+/);
    this.partial = lines.pop()!.slice(-10_000);
    for (const line of lines) {
      const progress = /^(?:size|frame)=.*time=(\d+):(\d+):(\d+)/.exec(line);
      if (progress) this.mediaSeconds = Number(progress[1]) * 3600 + Number(progress[2]) * 60 + Number(progress[3]);
      else if (line !== '') this.text = (this.text + line + '\n').slice(-STDERR_CHARACTERS);
    }
  }
}

async function findPrlimit(): Promise<string | null> {
  if (process.platform !== 'linux') return null;
  for (const path of ['/usr/bin/prlimit', '/bin/prlimit', '/usr/sbin/prlimit']) {
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  return null;
}
