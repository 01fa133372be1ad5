import type { Readable } from 'node:stream';
import type { StageJob } from '../queue/queues.js';
import type { Ahead } from '../queue/stage-handler.js';
import type { AudioStore } from '../storage/audio-store.js';
import type { Transcript } from '../uploads/results.js';
import type { Upload } from '../uploads/upload.schema.js';
import type { Earlier, TranscriptCache } from './transcript-cache.js';

/** Larger audio is read when its turn has come: what waits ahead of the engine's places must not fill the memory. */
const MOST_BYTES = 2 ** 20;

/** What is read of an answer before it is asked for: the beginning of its audio, and what was heard in the same bytes before. */
export class AudioAhead implements Ahead {
  /** Null when these bytes were not transcribed before. */
  cached: Promise<Transcript | null> = Promise.resolve(null);
  /** What there is of the bytes that the job names. */
  private readonly same: Promise<Earlier[]> | undefined;
  private readonly opened: Readable[] = [];
  /** Read ahead, and not taken yet. */
  private spare: { fileId: string; stream: Readable } | null = null;

  constructor(
    private readonly store: AudioStore,
    private readonly cache: TranscriptCache,
    private readonly engine: string,
    private readonly job: StageJob,
  ) {
    const { audio } = job;
    if (!audio) return;
    // First, as what is large holds up what comes after it.
    this.same = cache.withSameBytes(audio);
    this.same.catch(() => undefined);
    this.read(audio.file_id, audio.size);
  }

  begin(row: Upload): void {
    if (!row.file_id || row.audio_state !== 'stored') return;
    const { audio } = this.job;
    const isNamed = audio?.sha256 === row.sha256 && audio?.user_id === row.user_id;
    this.cached = this.cache.find(row, this.engine, isNamed ? this.same : undefined);
    // Whoever awaits it hears of it, and nobody else.
    this.cached.catch(() => undefined);
    const fileId = row.file_id.toHexString();
    if (this.spare?.fileId !== fileId) this.read(fileId, row.size ?? 0);
  }

  private read(fileId: string, size: number): void {
    if (size > MOST_BYTES) return;
    const stream = this.store.open(fileId, { start: 0, end: size });
    // Whoever reads it hears of it, and nobody else.
    stream.on('error', () => undefined).read(0);
    this.opened.push(stream);
    this.spare = { fileId, stream };
  }

  /** The row's audio from its start, as often as it is asked for: who asks first finds its beginning read. */
  open({ file_id, size = 0 }: Upload): Readable {
    const fileId = file_id?.toHexString() ?? '';
    const { spare } = this;
    this.spare = null;
    // The row knows how long the file is: the store need not look it up.
    return spare?.fileId === fileId ? spare.stream : this.store.open(fileId, { start: 0, end: size });
  }

  close(): void {
    for (const stream of this.opened) stream.destroy();
  }
}
