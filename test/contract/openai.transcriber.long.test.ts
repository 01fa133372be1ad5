import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { AudioSource } from '../../src/transcription/transcriber.js';
import { bytesAudio, wavAudio, wavHeader } from '../support/audio-source.js';
import { requestTooLarge, serverError, tooLongForModel } from '../support/openai-behaviour.js';
import { failureOf, openAiTranscribers, Pieces, request } from '../support/openai-transcribers.js';

const engines = openAiTranscribers();

/** Noise bursts of a second with half a second of near silence after each. */
function bursts(seconds: number): AudioSource {
  const samples = new Float32Array(seconds * 16_000);
  let state = 1;
  for (let i = 0; i < samples.length; i++) {
    state = (state * 48_271) % 2_147_483_647;
    samples[i] = (state / 2_147_483_647 - 0.5) * (i % 24_000 < 16_000 ? 0.5 : 0.001);
  }
  return wavAudio(samples);
}

describe('audio too large or too long for one request', () => {
  it('is sent as mono Opus when it is over 25 MB', async () => {
    // 96,000 samples a second: large, and soon encoded.
    const samples = 140 * 96_000;
    const noise = randomBytes(96_000 * 2);
    const audio = bytesAudio(
      Buffer.concat([wavHeader(samples, 96_000), ...Array<Buffer>(140).fill(noise)]),
      'audio/wav',
    );
    expect(audio.size).toBeGreaterThan(25 * 2 ** 20);
    engines.server.otherwise({ does: 'answer', text: 'One piece.', duration: 140 });
    const made = await engines.forTest().transcribe(request({ audio }));
    expect(engines.server.requests).toHaveLength(1);
    const file = engines.server.requests[0]!.file!;
    expect(file).toMatchObject({ name: 'answer.ogg', type: 'audio/ogg' });
    expect(file.bytes).toBeLessThan(5 * 2 ** 20);
    // Byte 9 of Opus' identification header is the number of channels (RFC 7845, 5.1).
    expect(file.content[file.content.indexOf('OpusHead') + 9]).toBe(1);
    expect(made).toMatchObject({ text: 'One piece.', duration: 140 });
  });

  const short = { largestFile: 1000, longestPieceS: 20 };
  const lengthOf = (content: Buffer) => content.readUInt32LE(content.lastIndexOf('OggS') + 6) / 48_000;

  it('is cut in the pauses and joined with right times', async () => {
    engines.server.otherwise({
      does: 'answer',
      text: 'A piece.',
      segments: (seen) => [{ start: 1, end: lengthOf(seen.file!.content), text: 'A piece.' }],
    });
    const onDuration = jest.fn();
    const pieces = new Pieces();
    const made = await engines.forTest({}, short).transcribe(request({ audio: bursts(60), pieces, onDuration }));
    expect(made.duration).toBeCloseTo(60, 1);
    expect(made.text).toBe(made.segments.map(() => 'A piece.').join(' '));
    expect(made.segments).toHaveLength(engines.server.requests.length);
    expect(made.segments.length).toBeGreaterThanOrEqual(4);
    let from = 0;
    for (const segment of made.segments) {
      expect(segment.start).toBeCloseTo(from + 1, 1);
      expect(segment.end - from).toBeLessThanOrEqual(20);
      from = segment.end;
      // Bursts last from 0 to 1 s of every 1.5 s: the cut is in the quiet half second.
      if (segment !== made.segments.at(-1)) expect(segment.end % 1.5).toBeGreaterThan(1);
    }
    expect(from).toBeCloseTo(60, 1);
    expect(onDuration).toHaveBeenLastCalledWith(made.duration);
    expect(pieces.kept.map((piece) => piece.index)).toEqual(made.segments.map((_, index) => index));
  });

  it('continues after the pieces that an earlier attempt finished', async () => {
    const pieces = new Pieces();
    const audio = bursts(60);
    const made = engines.forTest({ OPENAI_MAX_RETRIES: '0' }, short);
    engines.server.script({ does: 'answer', text: 'first' }, { does: 'answer', text: 'second' }, serverError);
    const error = await failureOf(made.transcribe(request({ audio, pieces })));
    expect(error).toMatchObject({ code: 'engine_unavailable', retryable: true });
    expect(pieces.kept).toHaveLength(2);
    const failed = engines.server.requests[2]!.file!.sha256;
    engines.server.reset();
    engines.server.otherwise({ does: 'answer', text: 'later' });
    const whole = await made.transcribe(request({ audio, pieces }));
    expect(whole.text).toMatch(/^first second later/);
    expect(lengthOf(engines.server.requests[0]!.file!.content)).toBeGreaterThan(1);
    expect(engines.server.requests).toHaveLength(whole.segments.length - 2);
    expect(failed).toBeDefined();
  });

  it.each([
    ['too long for the model', tooLongForModel],
    ['too large for what it takes in a minute', requestTooLarge],
  ])('is cut when the endpoint says that it is %s', async (_what, refusal) => {
    engines.server.script(refusal);
    engines.server.otherwise({ does: 'answer', text: 'piece' });
    const made = engines.forTest({ OPENAI_TRANSCRIPTION_MODEL: 'gpt-4o-transcribe' }, { longestPieceS: 20 });
    const whole = await made.transcribe(request({ audio: bursts(30) }));
    expect(whole.segments.map(({ text }) => text)).toEqual(['piece', 'piece']);
    expect(whole.segments[1]?.start).toBe(whole.segments[0]?.end);
    expect(whole.duration).toBeCloseTo(30, 1);
    expect(engines.server.requests.map((seen) => seen.file?.name)).toEqual(['answer.wav', 'answer.ogg', 'answer.ogg']);
  });

  it('is no longer decoded once aborted', async () => {
    engines.server.otherwise({ does: 'hang' });
    const stop = new AbortController();
    const work = failureOf(engines.forTest({}, short).transcribe(request({ audio: bursts(60), signal: stop.signal })));
    await engines.server.seen(1);
    stop.abort(new Error('shutting down'));
    expect((await work).message).toBe('shutting down');
  });
});
