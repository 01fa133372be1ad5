import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { Config } from '../config/config.js';
import { QueuePace } from '../queue/queue-pace.js';
import { StageHandler } from '../queue/stage-handler.js';
import type { Ahead, StageContext } from '../queue/stage-handler.js';
import { StageWorker } from '../queue/stage-worker.js';
import { AudioStore } from '../storage/audio-store.js';
import { AudioRemoval } from '../uploads/audio-removal.js';
import { Ledger } from '../uploads/ledger.js';
import type { Transcript } from '../uploads/results.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { PermanentError } from '../common/app-error.js';
import { MongoPieceStore } from './mongo.piece-store.js';
import { TranscriptCache } from './transcript-cache.js';
import { Transcriber } from './transcriber.js';

/** The audio, and what was heard in the same bytes before: both are asked for while the stage is being claimed. */
interface Heard extends Ahead {
  readonly open: () => Readable;
  readonly cached: Promise<Transcript | null>;
}

/** Larger audio is read when its turn has come: what waits ahead of the engine's places must not fill the memory. */
const READ_AHEAD_BYTES = 2 ** 20;

/** The stage `transcription`: stored audio in, transcript on the row, audio gone. */
@Injectable()
export class TranscriptionHandler extends StageHandler<Heard> {
  readonly stage = 'transcription';
  readonly showsProgress = true;
  readonly concurrency: number;
  readonly timeoutS: number;
  private readonly longestS: number;
  readonly unexpected = 'The transcription failed for a reason that is not known; it is tried again';

  constructor(
    private readonly transcriber: Transcriber,
    private readonly cache: TranscriptCache,
    private readonly store: AudioStore,
    private readonly ledger: Ledger,
    private readonly removal: AudioRemoval,
    private readonly pace: QueuePace,
    private readonly metrics: Metrics,
    private readonly log: Log,
    worker: StageWorker,
    config: Config,
  ) {
    super();
    this.concurrency = config.TRANSCRIPTION_CONCURRENCY;
    this.timeoutS = config.TRANSCRIPTION_TIMEOUT_S;
    this.longestS = config.MAX_AUDIO_MINUTES * 60;
    worker.register(this);
  }

  override begin(row: Upload): Heard | null {
    if (!row.file_id || row.audio_state !== 'stored') return null;
    const fileId = row.file_id.toHexString();
    // The row knows how long the file is: the store need not look it up.
    const size = row.size ?? 0;
    const open = () => this.store.open(fileId, { start: 0, end: size });
    const cached = this.cache.find(row, this.transcriber.id);
    // Whoever awaits it hears of it, and nobody else.
    cached.catch(() => undefined);
    return { cached, ...(size > READ_AHEAD_BYTES ? { open, close: () => undefined } : readAhead(open)) };
  }

  async run(context: StageContext<Heard>): Promise<Partial<Upload>> {
    const { claim, ahead: audio } = context;
    const { row } = claim;
    const where = `session=${row.session_id}, question=${row.question_id}`;
    if (!audio) {
      throw new PermanentError('audio_gone', 'The audio is not there any more; please record the answer again');
    }
    this.log.pino.info(
      { upload_id: claim.id.toHexString(), attempt: claim.attempt },
      `Starting transcription: ${where}`,
    );
    // Of the engine's own work, without the wait for its turn.
    let seconds = 0;
    const cached = await audio.cached;
    this.metrics.transcriptCache.labels(cached ? 'hit' : 'miss').inc();
    const transcript =
      cached ??
      (await context.engine(async () => {
        const began = performance.now();
        const heard = await this.transcribe(context, audio.open);
        seconds = (performance.now() - began) / 1000;
        return heard;
      }));
    if (transcript.duration && !cached)
      this.metrics.realTimeFactor.labels(transcript.transcriber).observe(seconds / transcript.duration);
    if (!cached) this.pace.note(this.stage, seconds, this.concurrency);
    this.log.pino.info(
      {
        upload_id: claim.id.toHexString(),
        seconds: Math.round(seconds * 1000) / 1000,
        audio_seconds: transcript.duration,
        characters: transcript.text.length,
        transcriber: transcript.transcriber,
        cached: cached !== null,
      },
      `Transcription completed: ${where}`,
    );
    return { transcript, transcribed_at: new Date(), audio_state: row.retain_audio ? 'stored' : 'deleting' };
  }

  private async transcribe({ claim, signal, allow }: StageContext<Heard>, open: () => Readable): Promise<Transcript> {
    const { row } = claim;
    const pieces = new MongoPieceStore(this.ledger, claim.id, this.transcriber.id);
    // A small file may hold days of silence: its length is known only as it is decoded.
    const tooLong = new AbortController();
    const transcript = await this.transcriber.transcribe({
      audio: { open, size: row.size ?? 0, contentType: row.content_type ?? '' },
      language: row.language,
      signal: AbortSignal.any([signal, tooLong.signal]),
      onDuration: (seconds) => {
        allow(seconds);
        if (seconds > this.longestS) tooLong.abort(tooLongError(this.longestS));
      },
      pieces,
    });
    if (pieces.isUsed) await this.ledger.pieces.deleteMany({ upload_id: claim.id });
    return transcript;
  }

  next(row: Upload): readonly StageName[] {
    return row.retain_audio ? ['analysis', 'archive'] : ['analysis'];
  }

  async finished(row: Upload): Promise<void> {
    if (row.audio_state !== 'deleting' || !row.file_id) return;
    this.removal.remove(row._id, row.file_id.toHexString());
  }
}

/** Reads while the cache is asked, which nearly always knows nothing of the audio: who opens it first finds its beginning there. */
function readAhead(open: () => Readable): { open: () => Readable; close: () => void } {
  const first = open();
  // Whoever reads it hears of it, and nobody else.
  first.on('error', () => undefined).read(0);
  let next: Readable | null = first;
  return {
    open: () => {
      const stream = next ?? open();
      next = null;
      return stream;
    },
    close: () => void first.destroy(),
  };
}

function tooLongError(longestS: number): PermanentError {
  return new PermanentError(
    'audio_too_long',
    `The audio is longer than the ${longestS / 60} minutes that are transcribed`,
  );
}
