import { execFile } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config/config.js';
import { Ffmpeg } from '../../src/transcription/ffmpeg.js';
import { LocalTranscriber } from '../../src/transcription/local.transcriber.js';
import { bytesAudio, fileAudio, readingText, speechPath, wavAudio } from '../support/audio-source.js';
import { collectGarbage } from '../support/garbage.js';
import { spokenWords, wordErrorRate } from '../support/word-error-rate.js';
import { PiecesInMemory, transcriberContract, transcriptionOf } from './transcriber.contract.js';

const scratch = mkdtempSync(join(tmpdir(), 'vivavoce-local-'));
let transcriber: LocalTranscriber;

function make(): LocalTranscriber {
  const config = loadConfig({});
  return new LocalTranscriber(config, new Ffmpeg(config, scratch));
}

beforeAll(() => {
  transcriber = make();
});
afterAll(async () => {
  await transcriber.close();
  rmSync(scratch, { recursive: true, force: true });
});

transcriberContract('local', { make, wordErrorRate: 0.1 });

describe('the engine in the box', () => {
  it.each(['webm', 'ogg', 'wav', 'mp3', 'm4a', 'flac'])('gets at most one word in ten wrong in %s', async (format) => {
    const { text } = await transcriber.transcribe(transcriptionOf(fileAudio(`reading.${format}`)));
    expect(wordErrorRate(readingText(), text)).toBeLessThanOrEqual(0.1);
  });

  it('gives each sentence its place in time', async () => {
    const { segments } = await transcriber.transcribe(transcriptionOf(fileAudio('reading.wav')));
    expect(segments.map(({ start, end }) => [Math.round(start), Math.round(end)])).toEqual([
      [0, 7],
      [8, 11],
      [12, 17],
    ]);
  });

  /** The reading as ffmpeg writes it with these output options. */
  async function reading(type: string, ...options: string[]) {
    const args = ['-v', 'error', '-i', speechPath('reading.wav'), ...options, '-'];
    const { stdout } = await promisify(execFile)('ffmpeg', args, { encoding: 'buffer', maxBuffer: 2 ** 24 });
    return bytesAudio(stdout, type);
  }

  /** Stretches of the reading, one directly after the other; seconds. */
  async function spoken(...stretches: [from: number, to: number][]) {
    const sound = readFileSync(speechPath('reading.wav')).subarray(44);
    const samples = new Int16Array(sound.buffer.slice(sound.byteOffset, sound.byteOffset + (sound.length & ~1)));
    const parts = stretches.map(([from, to]) => samples.subarray(from * 16_000, to * 16_000));
    return wavAudio(
      Float32Array.from(
        parts.flatMap((part) => [...part]),
        (sample) => sample / 32_768,
      ),
    );
  }

  it('writes down what somebody says again and again, and what comes after it', async () => {
    const again: [number, number] = [8, 10.9];
    const audio = await spoken(again, again, again, again, [12, 16.9]);
    const { text } = await transcriber.transcribe(transcriptionOf(audio));
    expect(text.match(/he was not an/gi)).toHaveLength(4);
    expect(text).toMatch(/more respectable than he was/);
  });

  it.each([40, 50])('understands a recording that is %d dB too quiet', async (decibels) => {
    const audio = await reading('audio/wav', '-af', `volume=-${decibels}dB`, '-f', 'wav');
    const { text } = await transcriber.transcribe(transcriptionOf(audio));
    expect(wordErrorRate(readingText(), text)).toBeLessThanOrEqual(0.1);
  });

  it('makes no more words of a word alone', async () => {
    for (const from of [0.9, 9, 13]) {
      const { text } = await transcriber.transcribe(transcriptionOf(await spoken([from, from + 0.45])));
      expect([from, spokenWords(text).length <= 3]).toEqual([from, true]);
    }
  });

  it('hears a recording whose channels are each other’s opposite', async () => {
    const audio = await reading('audio/wav', '-af', 'pan=stereo|c0=c0|c1=-1*c0', '-f', 'wav');
    const { text } = await transcriber.transcribe(transcriptionOf(audio));
    expect(wordErrorRate(readingText(), text)).toBeLessThanOrEqual(0.1);
  });

  it('hears all of two recordings that were put one behind the other, and what follows a clock that was put right', async () => {
    const once = await reading('audio/webm', '-c:a', 'libopus', '-f', 'webm');
    const chunks: Buffer[] = [];
    for await (const chunk of once.open()) chunks.push(chunk as Buffer);
    const twice = bytesAudio(Buffer.concat([...chunks, ...chunks]), 'audio/webm');
    const both = await transcriber.transcribe(transcriptionOf(twice));
    expect(wordErrorRate(`${readingText()} ${readingText()}`, both.text)).toBeLessThanOrEqual(0.1);

    const hourLater = String.raw`asetpts=if(gt(T\,7.5)\,PTS+3600/TB\,PTS)`;
    const jumped = await reading('audio/webm', '-af', hourLater, '-c:a', 'libopus', '-f', 'webm');
    const { text, duration } = await transcriber.transcribe(transcriptionOf(jumped));
    expect(wordErrorRate(readingText(), text)).toBeLessThanOrEqual(0.1);
    expect(duration).toBeLessThan(90);
  });

  it.each([
    ['are those of arrival, several pieces at once', String.raw`floor(TS*TB/0.3)*0.3/TB`],
    ['come from a clock that is a fifth slow', 'TS*0.8'],
    ['come from a clock that is a fiftieth fast', 'TS*1.02'],
  ])('hears all of a recording whose times %s', async (_, times) => {
    const audio = await reading('audio/webm', '-c:a', 'libopus', '-bsf:a', `setts=ts=${times}`, '-f', 'webm');
    const { text } = await transcriber.transcribe(transcriptionOf(audio));
    expect(wordErrorRate(readingText(), text)).toBeLessThanOrEqual(0.1);
  });

  it('hears two recordings of different formats in one file, and no silence between them', async () => {
    const mp3 = async (...format: string[]) =>
      (await reading('audio/mpeg', ...format, '-c:a', 'libmp3lame', '-f', 'mp3')).open().toArray() as Promise<Buffer[]>;
    const parts = [...(await mp3('-ac', '1', '-ar', '44100')), ...(await mp3('-ac', '2', '-ar', '48000'))];
    const { text, duration } = await transcriber.transcribe(
      transcriptionOf(bytesAudio(Buffer.concat(parts), 'audio/mpeg')),
    );
    expect(wordErrorRate(`${readingText()} ${readingText()}`, text)).toBeLessThanOrEqual(0.1);
    expect(duration).toBeLessThan(37);
  });

  it('has everything at its time where the recording has a gap', async () => {
    const gap = String.raw`asetpts=if(gt(T\,7.5)\,PTS+5/TB\,PTS)`;
    const audio = await reading('audio/webm', '-af', gap, '-c:a', 'libopus', '-f', 'webm');
    const { segments, duration } = await transcriber.transcribe(transcriptionOf(audio));
    expect(segments.map(({ start, end }) => [Math.round(start), Math.round(end)])).toEqual([
      [0, 7],
      [13, 16],
      [17, 22],
    ]);
    expect(duration).toBeCloseTo(22.5, 0);
  });

  it('makes up no words for noise, tones, hum and clicks', async () => {
    let seed = 1;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
    const sounds: Record<string, (i: number) => number> = {
      'loud noise': () => random() * 0.6,
      'faint noise': () => random() * 0.01,
      'the noise of a converter': () => Math.round(random() * 2) / 32_768,
      'faint hum': (i) => 0.003 * Math.sin((2 * Math.PI * 50 * i) / 16_000),
      'faint clicks': (i) => (i % 11_000 < 100 ? random() * 0.02 : random() * 0.0004),
      tone: (i) => 0.4 * Math.sin((2 * Math.PI * 440 * i) / 16_000),
      hum: (i) => 0.3 * Math.sin((2 * Math.PI * 50 * i) / 16_000) + 0.1 * Math.sin((2 * Math.PI * 150 * i) / 16_000),
      clicks: (i) => (i % 11_000 < 100 ? random() : random() * 0.002),
    };
    for (const [name, sound] of Object.entries(sounds)) {
      const samples = Float32Array.from({ length: 10 * 16_000 }, (_, i) => sound(i));
      const { text } = await transcriber.transcribe(transcriptionOf(wavAudio(samples)));
      expect([name, text]).toEqual([name, '']);
    }
  });

  it('refuses other languages at once, and names the way out', async () => {
    const audio = {
      ...fileAudio('reading.wav'),
      open: () => {
        throw new Error('the audio was opened');
      },
    };
    for (const language of ['fr', 'de-CH', 'enm'])
      await expect(transcriber.transcribe(transcriptionOf(audio, { language }))).rejects.toMatchObject({
        code: 'language_unsupported',
        retryable: false,
        message: expect.stringMatching(/English only.*OPENAI_API_KEY/),
      });
    const british = transcriptionOf(fileAudio('reading.wav'), { language: 'en-GB' });
    expect((await transcriber.transcribe(british)).text).not.toBe('');
  });

  it('tells empty audio from audio without speech', async () => {
    const empty = transcriptionOf(wavAudio(new Float32Array(0)));
    await expect(transcriber.transcribe(empty)).rejects.toMatchObject({ code: 'audio_empty', retryable: false });
    const blip = await transcriber.transcribe(transcriptionOf(wavAudio(new Float32Array(100))));
    expect(blip).toMatchObject({ text: '', duration: 100 / 16_000 });
  });

  it('goes on after the last piece that is kept', async () => {
    const all = new PiecesInMemory();
    const whole = await transcriber.transcribe(transcriptionOf(fileAudio('reading.mp3'), { pieces: all }));
    expect(all.saved.map((piece) => piece.index)).toEqual([0, 1, 2]);
    const rest = new PiecesInMemory(all.saved.slice(0, 2));
    const resumed = await transcriber.transcribe(transcriptionOf(fileAudio('reading.mp3'), { pieces: rest }));
    expect(resumed).toEqual(whole);
    expect(rest.saved).toEqual(all.saved.slice(2));
  });

  it('lets a short answer finish while a long one is under way', async () => {
    const order: string[] = [];
    const words = readFileSync(speechPath('reading.wav')).subarray(44);
    const long = bytesAudio(wav(Buffer.concat(Array<Buffer>(3).fill(words))), 'audio/wav');
    await Promise.all([
      transcriber.transcribe(transcriptionOf(long)).then(() => order.push('long')),
      transcriber.transcribe(transcriptionOf(fileAudio('reading.wav'))).then(() => order.push('short')),
    ]);
    expect(order).toEqual(['short', 'long']);
  });

  it('takes ten minutes in memory that stays flat, and hears every repeat alike', async () => {
    const path = join(scratch, 'ten-minutes.webm');
    // 12 times: the reading, then a pause.
    const filter = '[0:a]apad=pad_dur=32.46[once];[once]aloop=loop=11:size=800000[out]';
    const output = ['-filter_complex', filter, '-map', '[out]', '-c:a', 'libopus', '-b:a', '24k', path];
    await promisify(execFile)('ffmpeg', ['-nostdin', '-v', 'error', '-i', speechPath('reading.wav'), ...output]);
    const audio = { open: () => createReadStream(path), size: statSync(path).size, contentType: 'audio/webm' };

    let longest = 0;
    const most = [0, 0];
    let measured = 0;
    const onDuration = (seconds: number) => {
      longest = Math.max(longest, seconds);
      if (seconds < measured + 5) return;
      measured = seconds;
      const half = seconds < 300 ? 0 : 1;
      most[half] = Math.max(most[half]!, usedMemory());
    };
    const { text, segments, duration } = await transcriber.transcribe(transcriptionOf(audio, { onDuration }));
    expect(Math.abs(duration! - 600)).toBeLessThan(0.5);
    expect(longest).toBeCloseTo(duration!, 3);
    expect(wordErrorRate(Array(12).fill(readingText()).join(' '), text)).toBeLessThanOrEqual(0.1);
    expect(segments.length).toBe(36);
    for (const [i, segment] of segments.entries()) {
      expect(spokenWords(segment.text).length).toBeGreaterThan(5);
      expect(Math.floor(segment.start / 50)).toBe(Math.floor(i / 3));
    }
    // Five minutes of samples would take 19 MB.
    expect(most[1]! - most[0]!).toBeLessThan(4e6);
  });
});

/** What is held, in bytes: garbage that nobody has collected yet is not. */
function usedMemory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function wav(data: Buffer): Buffer {
  const header = Buffer.from(readFileSync(speechPath('reading.wav')).subarray(0, 44));
  header.writeUInt32LE(36 + data.length, 4);
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}
