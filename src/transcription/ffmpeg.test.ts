import { jest } from '@jest/globals';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { bytesAudio, fileAudio, speechPath, wavHeader } from '../../test/support/audio-source.js';
import { Config, loadConfig } from '../config/config.js';
import { Ffmpeg } from './ffmpeg.js';
import type { AudioSource } from './transcriber.js';

const types = ['audio/webm', 'audio/ogg', 'audio/wav', 'audio/mpeg', 'audio/mp4', 'audio/flac'];
const never = new AbortController().signal;
let folder: string;
let scratch: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ffmpeg-test-'));
  scratch = join(folder, 'scratch');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function ffmpeg(settings: Partial<Config> = {}): Ffmpeg {
  return new Ffmpeg(Object.assign(new Config(), loadConfig({}), settings), scratch);
}

async function seconds(audio: AudioSource, decoder = ffmpeg(), signal = never): Promise<number> {
  let samples = 0;
  for await (const chunk of decoder.decodePcm({ audio, signal })) samples += chunk.length;
  return samples / 16_000;
}

/** A stand-in for ffmpeg that notes its process id and then does what `script` says. */
function program(script: string): { path: string; pid: () => number } {
  const path = join(folder, 'program');
  writeFileSync(path, `#!/bin/sh\necho $$ > ${folder}/pid\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, pid: () => Number(readFileSync(join(folder, 'pid'), 'utf8')) };
}

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

/** A WAV file whose store stops sending after `bytes` bytes of sound, without ending. */
function stalled(contentType = 'audio/wav', bytes = 640_000): AudioSource & { stream: () => Readable } {
  let stream: Readable | undefined;
  const open = () => {
    let sent = false;
    stream = new Readable({
      read() {
        if (!sent) this.push(Buffer.concat([wavHeader(16_000_000), Buffer.alloc(bytes)]));
        sent = true;
      },
    });
    return stream;
  };
  return { open, size: 32_000_044, contentType, stream: () => stream! };
}

describe('decoding', () => {
  it.each(['reading.webm', 'reading.ogg', 'reading.wav', 'reading.mp3', 'reading.m4a', 'reading.flac'])(
    'gives %s at 16 kHz mono in its full length',
    async (name) => {
      const decoded = await seconds(fileAudio(name));
      expect(Math.abs(decoded - 17.54)).toBeLessThan(0.15);
    },
  );

  it('gives samples from -1 to 1 that are those of the file', async () => {
    const file = readFileSync(speechPath('reading.wav'));
    let position = 44;
    for await (const chunk of ffmpeg().decodePcm({ audio: bytesAudio(file, 'audio/wav'), signal: never })) {
      for (const sample of chunk) {
        if (sample !== file.readInt16LE(position) / 32768) throw new Error(`another sample at byte ${position}`);
        position += 2;
      }
    }
    expect(position).toBe(file.length);
  });

  it('gives what there is of a recording that was cut off', async () => {
    for (const name of ['reading.webm', 'reading.ogg', 'reading.wav', 'reading.mp3', 'reading.flac']) {
      const whole = fileAudio(name);
      const bytes = readFileSync(speechPath(name)).subarray(0, whole.size / 2);
      const decoded = await seconds(bytesAudio(bytes, whole.contentType));
      expect(decoded).toBeGreaterThan(5);
      expect(decoded).toBeLessThan(13);
    }
  });

  it('passes what ffmpeg said and its output to the caller of run', async () => {
    const output = ['-af', 'silencedetect=n=-40dB:d=0.3', '-ac', '1', '-c:a', 'libopus', '-b:a', '16k', '-f', 'ogg'];
    const { stdout, done } = ffmpeg().run({ audio: fileAudio('reading.m4a'), output, signal: never });
    const chunks: Buffer[] = [];
    for await (const chunk of stdout as AsyncIterable<Buffer>) chunks.push(chunk);
    const { stderr } = await done;
    expect(stderr).toContain('silence_start');
    const opus = bytesAudio(Buffer.concat(chunks), 'audio/ogg');
    expect(Math.abs((await seconds(opus)) - 17.54)).toBeLessThan(0.15);
  });

  it('reads no more from the store than its reader takes', async () => {
    let pulled = 0;
    const open = () =>
      new Readable({
        read() {
          this.push(pulled === 0 ? wavHeader(2 ** 30) : Buffer.alloc(64 * 1024));
          pulled += 64 * 1024;
        },
      });
    const abort = new AbortController();
    const chunks = ffmpeg().decodePcm({
      audio: { open, size: 2 ** 31, contentType: 'audio/wav' },
      signal: abort.signal,
    });
    await chunks.next();
    let before = -1;
    while (before !== pulled) {
      before = pulled;
      await delay(200);
    }
    expect(pulled).toBeLessThan(4 * 2 ** 20);
    await chunks.return(undefined);
  });
});

describe('audio that cannot be decoded', () => {
  const failing = async (bytes: Buffer, contentType: string) =>
    seconds(bytesAudio(bytes, contentType)).then(
      (decoded) => `decoded ${decoded} s`,
      (error: { code: string; retryable: boolean }) => `${error.code}${error.retryable ? ' (retryable)' : ''}`,
    );

  /** Of an mp4 only its missing index is seen, whatever else is wrong with it. */
  const refusal = (type: string) => (type === 'audio/mp4' ? 'audio_truncated' : 'audio_undecodable');

  it('is permanent, with a reason, for every type', async () => {
    const noise = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919 + (i >> 3) * 104_729) & 0xff));
    for (const type of types) expect([type, await failing(noise, type)]).toEqual([type, refusal(type)]);
  });

  it('is told from audio that is cut off before its index, and from audio without any sound', async () => {
    const m4a = readFileSync(speechPath('reading.m4a'));
    expect(await failing(m4a.subarray(0, m4a.length / 2), 'audio/mp4')).toBe('audio_truncated');
    expect(await failing(wavHeader(0), 'audio/wav')).toBe('audio_empty');
    expect(await failing(Buffer.alloc(0), 'audio/webm')).toBe('audio_empty');
  });

  it('reaches no file and no network when it is a playlist', async () => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      response.end(readFileSync(speechPath('reading.wav')));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = (server.address() as AddressInfo).port;
    const target = speechPath('reading.wav');
    const playlists = [`http://127.0.0.1:${port}/a.wav`, target, `file:${target}`].flatMap((place) => [
      `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-TARGETDURATION:20\n#EXTINF:17.5,\n${place}\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile '${place}'\n`,
      `<?xml version="1.0"?><MPD type="static"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>${place}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
      `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio ${port} RTP/AVP 0\n`,
    ]);
    try {
      for (const text of playlists)
        for (const type of types)
          expect([text, type, await failing(Buffer.from(text), type)]).toEqual([text, type, refusal(type)]);
      expect(requests).toBe(0);
    } finally {
      server.close();
    }
  }, 60_000);
});

describe('limits', () => {
  it('kills ffmpeg and lets go of the store when the job is aborted', async () => {
    const { path, pid } = program('exec ffmpeg "$@"');
    const audio = stalled();
    const abort = new AbortController();
    const chunks = ffmpeg({ FFMPEG_PATH: path }).decodePcm({ audio, signal: abort.signal });
    await chunks.next();
    expect(alive(pid())).toBe(true);
    const reason = new Error('no longer wanted');
    abort.abort(reason);
    await expect(
      (async () => {
        for await (const _ of chunks);
      })(),
    ).rejects.toBe(reason);
    expect(alive(pid())).toBe(false);
    expect(audio.stream().destroyed).toBe(true);
  });

  it('kills ffmpeg when its reader goes away', async () => {
    const { path, pid } = program('exec ffmpeg "$@"');
    const chunks = ffmpeg({ FFMPEG_PATH: path }).decodePcm({ audio: stalled(), signal: never });
    await chunks.next();
    await chunks.return(undefined);
    await until(() => !alive(pid()));
  });

  it('leaves no scratch file behind when it is aborted while copying, and removes those of a crash', async () => {
    const left = join(scratch, 'spool-left-by-a-crash');
    mkdirSync(scratch);
    writeFileSync(left, 'half');
    utimesSync(left, 0, 0);
    const audio = stalled('audio/mp4');
    const abort = new AbortController();
    const decoding = seconds(audio, ffmpeg(), abort.signal);
    decoding.catch(() => undefined);
    await until(() => audio.stream()?.readableFlowing !== null);
    const reason = new Error('no longer wanted');
    abort.abort(reason);
    await expect(decoding).rejects.toBe(reason);
    expect(existsSync(left)).toBe(false);
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('waits for room where the scratch folder cannot be written to, which is no fault of the audio', async () => {
    const disk = { code: 'scratch_unwritable', retryable: true, uncounted: true };
    writeFileSync(scratch, 'in its place');
    const decoder = ffmpeg();
    await expect(seconds(fileAudio('reading.m4a'), decoder)).rejects.toMatchObject(disk);
    rmSync(scratch);
    expect(await seconds(fileAudio('reading.m4a'), decoder)).toBeGreaterThan(1);
    // As a full disk answers.
    const handle = await open(join(folder, 'any'), 'w');
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    jest.spyOn(Object.getPrototypeOf(handle), 'write').mockRejectedValueOnce(full);
    await handle.close();
    await expect(seconds(fileAudio('reading.m4a'), decoder)).rejects.toMatchObject(disk);
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('counts no time in which the whole process stood still', async () => {
    const { path, pid } = program('sleep 1; exit 1');
    const now = performance.now.bind(performance);
    let paused = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + paused);
    const decoding = seconds(fileAudio('reading.wav'), ffmpeg({ FFMPEG_PATH: path, FFMPEG_TIMEOUT_S: 30 }));
    decoding.catch(() => undefined);
    await until(() => existsSync(join(folder, 'pid')) && pid() > 0);
    paused = 600_000;
    await expect(decoding).rejects.not.toMatchObject({ code: 'decoder_timeout' });
    clock.mockRestore();
  });

  it('ends a decoder that hangs, as the fault of the audio', async () => {
    const { path, pid } = program('exec sleep 60');
    const decoder = ffmpeg({ FFMPEG_PATH: path, FFMPEG_TIMEOUT_S: 1 });
    await expect(seconds(fileAudio('reading.wav'), decoder)).rejects.toMatchObject({
      code: 'decoder_timeout',
      retryable: false,
    });
    expect(alive(pid())).toBe(false);
  });

  it('ends a run whose store hangs, as a fault that passes', async () => {
    await expect(seconds(stalled(), ffmpeg({ FFMPEG_TIMEOUT_S: 1 }))).rejects.toMatchObject({
      code: 'audio_unreadable',
      retryable: true,
    });
  });

  it('passes on that the store failed', async () => {
    const open = () =>
      Readable.from(
        (async function* () {
          yield wavHeader(16_000);
          throw new Error('store is away');
        })(),
      );
    await expect(seconds({ open, size: 32_044, contentType: 'audio/wav' })).rejects.toMatchObject({
      code: 'audio_unreadable',
      retryable: true,
    });
  });

  it('does not count the time in which its reader keeps it waiting', async () => {
    const open = () => Readable.from([wavHeader(4_000_000), Buffer.alloc(8_000_000)]);
    const audio = { open, size: 8_000_044, contentType: 'audio/wav' };
    const chunks = ffmpeg({ FFMPEG_TIMEOUT_S: 1 }).decodePcm({ audio, signal: never });
    await chunks.next();
    await delay(2_000);
    let samples = 0;
    for await (const chunk of chunks) samples += chunk.length;
    expect(samples).toBeGreaterThan(3_900_000);
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('ends a decoder that takes more memory than allowed', async () => {
    const open = () => Readable.from([wavHeader(200_000_000), ...Array<Buffer>(200).fill(Buffer.alloc(2_000_000))]);
    const audio = { open, size: 400_000_044, contentType: 'audio/wav' };
    const output = ['-af', 'areverse', '-f', 's16le'];
    const { stdout, done } = ffmpeg({ FFMPEG_MEMORY_LIMIT_MB: 256 }).run({ audio, output, signal: never });
    stdout.resume();
    await expect(done).rejects.toMatchObject({ code: 'decoder_memory', retryable: false });
  });

  it('says that ffmpeg is missing, which passes when it is installed', async () => {
    const decoder = ffmpeg({ FFMPEG_PATH: join(folder, 'no-such-ffmpeg') });
    const missing = { code: 'ffmpeg_missing', retryable: true };
    await expect(decoder.check()).rejects.toMatchObject(missing);
    await expect(seconds(fileAudio('reading.wav'), decoder)).rejects.toMatchObject(missing);
    await expect(ffmpeg().check()).resolves.toBeUndefined();
  });
});
