import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { bytesAudio, fileAudio, speechPath, wavHeader } from '../../test/support/audio-source.js';
import { ffmpegStand, never } from '../../test/support/ffmpeg-stand.js';

const types = ['audio/webm', 'audio/ogg', 'audio/wav', 'audio/mpeg', 'audio/mp4', 'audio/flac'];
const { ffmpeg, seconds } = ffmpegStand();

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
  });
});
