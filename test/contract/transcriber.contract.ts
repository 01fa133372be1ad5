import { AppError, PermanentError } from '../../src/common/app-error.js';
import type {
  AudioSource,
  Piece,
  PieceStore,
  Transcriber,
  TranscriptionRequest,
} from '../../src/transcription/transcriber.js';
import { bytesAudio, fileAudio, readingText, wavAudio } from '../support/audio-source.js';
import { wordErrorRate } from '../support/word-error-rate.js';

export interface TranscriberContract {
  /** A transcriber of its own for the suite, which closes it. */
  make(): Transcriber | Promise<Transcriber>;
  /** Highest word error rate on the read speech of the fixtures. */
  wordErrorRate: number;
  /** Told before each case what the audio will be: for servers that only play the engine. */
  prepare?(audio: 'speech' | 'silence' | 'undecodable'): void | Promise<void>;
}

/** Keeps pieces in memory, and counts. */
export class PiecesInMemory implements PieceStore {
  saved: Piece[] = [];
  constructor(readonly kept: Piece[] = []) {}
  load = async () => structuredClone(this.kept);
  save = async (piece: Piece) => void this.saved.push(structuredClone(piece));

  of(): PiecesInMemory {
    return new PiecesInMemory();
  }
}

export function transcriptionOf(audio: AudioSource, given: Partial<TranscriptionRequest> = {}): TranscriptionRequest {
  return {
    audio,
    language: null,
    signal: new AbortController().signal,
    onDuration: () => undefined,
    pieces: new PiecesInMemory(),
    ...given,
  };
}

/** What every `Transcriber` promises. */
export function transcriberContract(name: string, contract: TranscriberContract): void {
  describe(`${name}: the contract of transcribers`, () => {
    let transcriber: Transcriber;
    beforeAll(async () => {
      transcriber = await contract.make();
    });
    afterAll(() => transcriber.close());

    it('says when it can take work', async () => {
      await expect(transcriber.check()).resolves.toBeUndefined();
    });

    it('writes down real speech, with the times of its segments, and who wrote it', async () => {
      await contract.prepare?.('speech');
      const transcript = await transcriber.transcribe(transcriptionOf(fileAudio('reading.webm')));
      expect(wordErrorRate(readingText(), transcript.text)).toBeLessThanOrEqual(contract.wordErrorRate);
      expect(transcript.transcriber).toBe(transcriber.id);
      if (transcript.duration !== null) expect(Math.abs(transcript.duration - 17.54)).toBeLessThan(0.2);
      let last = 0;
      for (const { start, end, text } of transcript.segments) {
        expect(start).toBeGreaterThanOrEqual(last);
        expect(end).toBeGreaterThan(start);
        expect(text.trim()).not.toBe('');
        last = end;
      }
      expect(last).toBeLessThan(18);
      const joined = transcript.segments.map((segment) => segment.text).join(' ');
      expect(wordErrorRate(transcript.text, joined)).toBe(0);
    });

    it('tells the length of the audio as far as it is known', async () => {
      await contract.prepare?.('speech');
      const told: number[] = [];
      const onDuration = (seconds: number) => void told.push(seconds);
      const { duration } = await transcriber.transcribe(transcriptionOf(fileAudio('reading.wav'), { onDuration }));
      expect(told).toEqual([...told].sort((a, b) => a - b));
      if (duration !== null && told.length > 0) expect(told.at(-1)).toBeCloseTo(duration, 1);
    });

    it('gives nothing for silence', async () => {
      await contract.prepare?.('silence');
      const transcript = await transcriber.transcribe(transcriptionOf(wavAudio(new Float32Array(5 * 16_000))));
      expect(transcript.text).toBe('');
      expect(transcript.segments).toEqual([]);
    });

    it('fails for good on audio that cannot be decoded', async () => {
      await contract.prepare?.('undecodable');
      const noise = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919 + (i >> 3) * 104_729) & 0xff));
      const failure = await transcriber
        .transcribe(transcriptionOf(bytesAudio(noise, 'audio/webm')))
        .catch((e: unknown) => e);
      expect(failure).toBeInstanceOf(PermanentError);
      expect((failure as AppError).retryable).toBe(false);
    });

    it('stops at once when it is aborted, with the reason that was given', async () => {
      await contract.prepare?.('speech');
      const speech = fileAudio('reading.wav');
      const abort = new AbortController();
      const reason = new Error('no longer wanted');
      let aborted = 0;
      const open = () => {
        setImmediate(() => {
          aborted = performance.now();
          abort.abort(reason);
        });
        return speech.open();
      };
      const request = transcriptionOf({ ...speech, open }, { signal: abort.signal });
      await expect(transcriber.transcribe(request)).rejects.toBe(reason);
      expect(performance.now() - aborted).toBeLessThan(2_000);
      await expect(transcriber.transcribe(request)).rejects.toBe(reason);
    });

    it('does not do again the pieces that an earlier attempt has done', async () => {
      await contract.prepare?.('speech');
      const first = new PiecesInMemory();
      const whole = await transcriber.transcribe(transcriptionOf(fileAudio('reading.wav'), { pieces: first }));
      const marked = first.saved.map(({ index, segments }) => ({
        index,
        segments: segments.map((segment) => ({ ...segment, text: `kept ${index}` })),
      }));
      const second = new PiecesInMemory(marked);
      const resumed = await transcriber.transcribe(transcriptionOf(fileAudio('reading.wav'), { pieces: second }));
      expect(second.saved).toEqual([]);
      expect(resumed.segments).toEqual(marked.length > 0 ? marked.flatMap((piece) => piece.segments) : whole.segments);
    });

    it('takes the language it is given', async () => {
      await contract.prepare?.('speech');
      const request = transcriptionOf(fileAudio('reading.wav'), { language: 'en' });
      expect((await transcriber.transcribe(request)).language).toBe('en');
    });
  });
}
