import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { fileAudio, wavHeader } from '../../test/support/audio-source.js';
import { alive, ffmpegStand, never, stalled, until } from '../../test/support/ffmpeg-stand.js';

const { folder, scratch, ffmpeg, seconds, program } = ffmpegStand();

describe('the limits of decoding', () => {
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
    const left = join(scratch(), 'spool-left-by-a-crash');
    mkdirSync(scratch());
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
    expect(readdirSync(scratch())).toEqual([]);
  });

  it('waits for room where the scratch folder cannot be written to, which is no fault of the audio', async () => {
    const disk = { code: 'scratch_unwritable', retryable: true, uncounted: true };
    writeFileSync(scratch(), 'in its place');
    const decoder = ffmpeg();
    await expect(seconds(fileAudio('reading.m4a'), decoder)).rejects.toMatchObject(disk);
    rmSync(scratch());
    expect(await seconds(fileAudio('reading.m4a'), decoder)).toBeGreaterThan(1);
    // As a full disk answers.
    const handle = await open(join(folder(), 'any'), 'w');
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    jest.spyOn(Object.getPrototypeOf(handle), 'write').mockRejectedValueOnce(full);
    await handle.close();
    await expect(seconds(fileAudio('reading.m4a'), decoder)).rejects.toMatchObject(disk);
    expect(readdirSync(scratch())).toEqual([]);
  });

  it('counts no time in which the whole process stood still', async () => {
    const { path, pid } = program('sleep 1; exit 1');
    const now = performance.now.bind(performance);
    let paused = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + paused);
    const decoding = seconds(fileAudio('reading.wav'), ffmpeg({ FFMPEG_PATH: path, FFMPEG_TIMEOUT_S: 30 }));
    decoding.catch(() => undefined);
    await until(() => existsSync(join(folder(), 'pid')) && pid() > 0);
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
    const request = { audio, filters: ['areverse'], output: ['-f', 's16le'], signal: never };
    const { stdout, done } = ffmpeg({ FFMPEG_MEMORY_LIMIT_MB: 256 }).run(request);
    stdout.resume();
    await expect(done).rejects.toMatchObject({ code: 'decoder_memory', retryable: false });
  });

  onLinux('does not blame the audio where somebody ends ffmpeg, which Ctrl-C at the service does not', async () => {
    const { path, pid } = program('exec ffmpeg "$@"');
    const chunks = ffmpeg({ FFMPEG_PATH: path }).decodePcm({ audio: stalled(), signal: never });
    await chunks.next();
    const groupOf = (id: number) =>
      readFileSync(`/proc/${id}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')[2];
    expect(groupOf(pid())).not.toBe(groupOf(process.pid));
    process.kill(pid(), 'SIGTERM');
    const rest = async () => {
      for await (const _ of chunks);
    };
    await expect(rest()).rejects.toMatchObject({ code: 'decoder_killed', retryable: true });
  });

  it('says that ffmpeg is missing, which passes when it is installed', async () => {
    const decoder = ffmpeg({ FFMPEG_PATH: join(folder(), 'no-such-ffmpeg') });
    const missing = { code: 'ffmpeg_missing', retryable: true, uncounted: true };
    await expect(decoder.check()).rejects.toMatchObject(missing);
    await expect(seconds(fileAudio('reading.wav'), decoder)).rejects.toMatchObject(missing);
    await expect(ffmpeg().check()).resolves.toBeUndefined();
  });
});
