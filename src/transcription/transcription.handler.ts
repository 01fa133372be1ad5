import { Injectable } from '@nestjs/common';
import { Log } from '../common/logging.js';
import { Metrics } from '../common/metrics.js';
import { Config } from '../config/config.js';
import { QueuePace } from '../queue/queue-pace.js';
import { StageHandler } from '../queue/stage-handler.js';
import type { StageContext } from '../queue/stage-handler.js';
import type { StageJob } from '../queue/queues.js';
import { StageWorker } from '../queue/stage-worker.js';
import { AudioStore } from '../storage/audio-store.js';
import { AudioRemoval } from '../uploads/audio-removal.js';
import { Ledger } from '../uploads/ledger.js';
import type { Transcript } from '../uploads/results.js';
import type { StageName, Upload } from '../uploads/upload.schema.js';
import { PermanentError } from '../common/app-error.js';
import { AudioAhead } from './audio-ahead.js';
import { MongoPieceStore } from './mongo.piece-store.js';
import { TranscriptCache } from './transcript-cache.js';
import { Transcriber } from './transcriber.js';

/** The stage `transcription`: stored audio in, transcript on the row, audio gone. */
@Injectable()
export class TranscriptionHandler extends StageHandler<AudioAhead> {
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

  override ahead(job: StageJob): AudioAhead {
    return new AudioAhead(this.store, this.cache, this.transcriber.id, job);
  }

  async run(context: StageContext<AudioAhead>): Promise<Partial<Upload>> {
    const { row, ahead } = context;
    const upload_id = row._id.toHexString();
    const where = `session=${row.session_id}, question=${row.question_id}`;
    if (!row.file_id || row.audio_state !== 'stored') {
      throw new PermanentError('audio_gone', 'The audio is not there any more; please record the answer again');
    }
    const attempt = (row.stages.transcription?.attempts ?? 0) + 1;
    this.log.pino.info({ upload_id, attempt }, `Starting transcription: ${where}`);
    // Of the engine's own work, without the wait for its turn.
    let seconds = 0;
    const cached = await ahead.cached;
    this.metrics.transcriptCache.labels(cached ? 'hit' : 'miss').inc();
    const transcript =
      cached ??
      (await context.engine(async () => {
        const began = performance.now();
        const heard = await this.transcribe(context);
        seconds = (performance.now() - began) / 1000;
        return heard;
      }));
    if (transcript.duration && !cached)
      this.metrics.realTimeFactor.labels(transcript.transcriber).observe(seconds / transcript.duration);
    if (!cached) this.pace.note(this.stage, seconds, this.concurrency);
    this.log.pino.info(
      {
        upload_id,
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

  private async transcribe({ row, ahead, signal, allow }: StageContext<AudioAhead>): Promise<Transcript> {
    const pieces = new MongoPieceStore(this.ledger, row._id, this.transcriber.id, row.language);
    // A small file may hold days of silence: its length is known only as it is decoded.
    const tooLong = new AbortController();
    const transcript = await this.transcriber.transcribe({
      audio: { open: () => ahead.open(row), size: row.size ?? 0, contentType: row.content_type ?? '' },
      language: row.language,
      signal: AbortSignal.any([signal, tooLong.signal]),
      onDuration: (seconds) => {
        allow(seconds);
        if (seconds > this.longestS) tooLong.abort(tooLongError(this.longestS));
      },
      pieces,
    });
    if (pieces.isUsed) await this.ledger.pieces.deleteMany({ upload_id: row._id });
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

function tooLongError(longestS: number): PermanentError {
  return new PermanentError(
    'audio_too_long',
    `The audio is longer than the ${longestS / 60} minutes that are transcribed`,
  );
}
