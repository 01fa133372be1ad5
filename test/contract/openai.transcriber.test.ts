import { jest } from '@jest/globals';
import { fileAudio, readingText } from '../support/audio-source.js';
import { invalidFile, type Behaviour, type SpokenSegment } from '../support/openai-behaviour.js';
import { failureOf, KEY, openAiTranscribers, request } from '../support/openai-transcribers.js';
import { transcriberContract } from './transcriber.contract.js';

const engines = openAiTranscribers();

const ANSWERS: Record<'speech' | 'silence' | 'undecodable', () => Behaviour> = {
  speech: () => ({ does: 'answer', text: readingText(), duration: 17.54 }),
  silence: () => ({ does: 'answer', text: '', segments: [], duration: 5 }),
  undecodable: () => invalidFile,
};
const prepare = (audio: keyof typeof ANSWERS) => engines.server.otherwise(ANSWERS[audio]());

transcriberContract('openai, whisper-1', { make: () => engines.make(), wordErrorRate: 0, prepare });
transcriberContract('openai, gpt-4o-transcribe', {
  make: () => engines.make({ OPENAI_TRANSCRIPTION_MODEL: 'gpt-4o-transcribe' }),
  wordErrorRate: 0,
  prepare,
});

describe('what it asks of the endpoint', () => {
  it.each([
    ['reading.webm', 'audio/webm', 'answer.webm'],
    ['reading.ogg', 'audio/ogg', 'answer.ogg'],
    ['reading.wav', 'audio/wav', 'answer.wav'],
    ['reading.mp3', 'audio/mpeg', 'answer.mp3'],
    ['reading.m4a', 'audio/mp4', 'answer.m4a'],
    ['reading.flac', 'audio/flac', 'answer.flac'],
  ])('sends %s byte for byte, named after what it is', async (file, type, name) => {
    const audio = fileAudio(file);
    await engines.forTest().transcribe(request({ audio }));
    const [seen] = engines.server.requests;
    expect(seen?.file).toMatchObject({ name, type, bytes: audio.size });
    const chunks = await audio.open().toArray();
    expect(seen?.file?.content.equals(Buffer.concat(chunks))).toBe(true);
    expect(seen?.headers['content-length']).toBeDefined();
  });

  it('asks whisper-1 for segments with times, by the key', async () => {
    await engines.forTest().transcribe(request());
    const [seen] = engines.server.requests;
    expect(seen?.path).toBe('/v1/audio/transcriptions');
    expect(seen?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(seen?.fields).toEqual([
      ['model', 'whisper-1'],
      ['response_format', 'verbose_json'],
      ['timestamp_granularities[]', 'segment'],
    ]);
  });

  it('sends the language only when there is one', async () => {
    const made = engines.forTest();
    await made.transcribe(request({ language: 'de' }));
    await made.transcribe(request());
    expect(engines.server.requests.map((seen) => seen.language)).toEqual(['de', null]);
  });

  it('names itself after the model', () => {
    expect(engines.forTest({ OPENAI_TRANSCRIPTION_MODEL: 'whisper-large-v3' }).id).toBe('openai/whisper-large-v3');
  });
});

describe('what it makes of a good answer', () => {
  it('gives text, segments, language by code and duration, and tells the duration', async () => {
    engines.server.script({ does: 'answer', text: 'I fixed it. It stayed fixed.', duration: 17.5, language: 'german' });
    const onDuration = jest.fn();
    const made = await engines.forTest().transcribe(request({ onDuration }));
    expect(made).toMatchObject({
      text: 'I fixed it. It stayed fixed.',
      language: 'de',
      duration: 17.5,
      transcriber: 'openai/whisper-1',
    });
    expect(made.segments.map((segment) => segment.text)).toEqual(['I fixed it.', 'It stayed fixed.']);
    expect(made.segments[1]?.end).toBe(17.5);
    expect(onDuration).toHaveBeenCalledWith(17.5);
  });

  it('keeps the language that was given', async () => {
    engines.server.script({ does: 'answer', language: 'german' });
    expect((await engines.forTest().transcribe(request({ language: 'nl' }))).language).toBe('nl');
  });

  it('drops failed decodes and silence, so that no invented words are left', async () => {
    const segments = [
      { start: 0, end: 5, text: ' I led the migration.' },
      { start: 5, end: 8, text: ' Thanks for watching!', avg_logprob: -1.4, no_speech_prob: 0.95 },
      { start: 8, end: 12, text: ' the the the the the the', compression_ratio: 3.1 },
      { start: 12, end: 30, text: ' It took a week.' },
    ];
    engines.server.script({ does: 'answer', text: segments.map((s) => s.text).join(''), segments, duration: 17 });
    const made = await engines.forTest().transcribe(request());
    expect(made.text).toBe('I led the migration. It took a week.');
    expect(made.segments).toEqual([
      { start: 0, end: 5, text: 'I led the migration.' },
      { start: 12, end: 17, text: 'It took a week.' },
    ]);
  });

  it('gives an empty transcript for silence', async () => {
    engines.server.script({ does: 'answer', text: '', segments: [], duration: 4 });
    expect(await engines.forTest().transcribe(request())).toMatchObject({ text: '', segments: [], duration: 4 });
  });

  it.each([
    ['a time that is none', 6, [{ start: 0, end: null, text: ' I fixed it.' }]],
    ['segments without words', 6, [{ start: 0, end: 6, text: '' }]],
    ['no length', 0, [{ start: 0, end: 6, text: ' I fixed it.' }]],
  ])('keeps the words where the engine sends %s', async (_what, duration, segments) => {
    const answer = { does: 'answer' as const, text: 'I fixed it.', duration, segments: segments as SpokenSegment[] };
    engines.server.script(answer);
    const made = await engines.forTest().transcribe(request());
    expect(made.duration).toBeCloseTo(duration || 17.5, 0);
    expect(made.text).toBe('I fixed it.');
    expect(made.segments).toEqual([{ start: 0, end: 6, text: 'I fixed it.' }]);
  });

  it('asks gpt-4o-transcribe for plain json and spans one segment over the audio', async () => {
    engines.server.script({ does: 'answer', text: 'I fixed it.' });
    const made = await engines.forTest({ OPENAI_TRANSCRIPTION_MODEL: 'gpt-4o-mini-transcribe' }).transcribe(request());
    expect(engines.server.requests[0]?.fields).toEqual([
      ['model', 'gpt-4o-mini-transcribe'],
      ['response_format', 'json'],
    ]);
    expect(made.duration).toBeCloseTo(17.5, 0);
    expect(made.segments).toEqual([{ start: 0, end: made.duration, text: 'I fixed it.' }]);
    expect(made.language).toBeNull();
  });

  it('learns the length by itself when the engine takes long, so that the time limit can grow', async () => {
    const learned = deferred<number>();
    engines.server.script({ does: 'hang' });
    const stop = new AbortController();
    const made = engines.forTest({}, { slowRequestMs: 1 });
    const work = failureOf(made.transcribe(request({ onDuration: learned.resolve, signal: stop.signal })));
    expect(await learned.promise).toBeCloseTo(17.5, 0);
    stop.abort(new Error('enough'));
    await work;
  });

  it('waits for as long as it would take to listen, where that is longer than OPENAI_TIMEOUT_S', async () => {
    engines.server.script({ does: 'answer', text: 'I fixed it.', delay: 4500 });
    const made = engines.forTest({ OPENAI_TIMEOUT_S: '3' }, { slowRequestMs: 1 });
    expect((await made.transcribe(request())).text).toBe('I fixed it.');
  });
});

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
