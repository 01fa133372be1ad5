import { ApiProperty } from '@nestjs/swagger';
import type { Attempt, StageError, StageName, StageState, Upload } from './upload.schema.js';
import { STAGES } from './upload.schema.js';

export type ShownStatus = 'uploading' | 'uploaded' | 'processing' | 'completed' | 'failed' | 'superseded' | 'duplicate';

export class StageErrorView {
  @ApiProperty({ description: 'Stable.', example: 'audio_undecodable' }) code!: string;
  @ApiProperty({ example: 'The audio could not be decoded' }) message!: string;
}

export class AttemptView {
  @ApiProperty({ example: 1 }) number!: number;
  @ApiProperty({ enum: ['done', 'retry', 'failed', 'lost', 'returned'], example: 'done' }) outcome!: Attempt['outcome'];
  @ApiProperty({ type: String, nullable: true, example: 'worker-1:42:9f86d081' }) worker!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:30:58.100Z' })
  from!: Date | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.120Z' }) to!: Date;
  @ApiProperty({ type: StageErrorView, nullable: true, example: null }) error!: StageError | null;
  @ApiProperty({ type: String, nullable: true, example: '7f1c2c1e-8a4e-4f55-9d3a-2f7a4c1c9b10' })
  correlation_id!: string | null;
  @ApiProperty({
    description:
      'How many tries this stands for: more than one where something was away and they are not counted. `from` is the first one’s, `to` the last one’s.',
    example: 1,
  })
  times!: number;
}

export class StageView {
  @ApiProperty({ enum: STAGES, example: 'transcription' }) name!: StageName;
  @ApiProperty({ enum: ['due', 'processing', 'done', 'failed'], example: 'done' }) state!: StageState;
  @ApiProperty({ description: 'Counted since the stage was last made due by hand.', example: 1 }) attempts!: number;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:58.000Z' }) due_at!: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:30:58.100Z' })
  started_at!: Date | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:31:02.120Z' })
  finished_at!: Date | null;
  @ApiProperty({ type: StageErrorView, nullable: true, example: null }) error!: StageError | null;
  @ApiProperty({ type: [AttemptView] }) history!: AttemptView[];
}

export class UploadView {
  @ApiProperty({ example: '65abc123def4567890abcdef' }) upload_id!: string;
  @ApiProperty({ enum: ['answer'], example: 'answer' }) kind!: string;
  @ApiProperty({ enum: ['audio', 'text'], example: 'audio' }) source!: string;
  @ApiProperty({
    enum: ['uploading', 'uploaded', 'processing', 'completed', 'failed', 'superseded', 'duplicate'],
    example: 'completed',
  })
  status!: ShownStatus;
  @ApiProperty({ example: 'interview-42' }) session_id!: string;
  @ApiProperty({ example: 'q1' }) question_id!: string;
  @ApiProperty({ type: String, nullable: true, example: 'answer.webm' }) file_name!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'audio/webm' }) content_type!: string | null;
  @ApiProperty({ type: Number, nullable: true, description: 'Bytes.', example: 48213 }) size!: number | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  })
  sha256!: string | null;
  @ApiProperty({ enum: ['stored', 'archived', 'deleting', 'deleted', 'none'], example: 'deleted' }) audio!: string;
  @ApiProperty({ type: String, nullable: true, example: 'en' }) language!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Of a duplicate: the upload it repeats.', example: null })
  duplicate_of!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'The newer take.', example: null })
  superseded_by!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null }) superseded_at!: Date | null;
  @ApiProperty({ type: StageErrorView, nullable: true, example: null }) error!: StageError | null;
  @ApiProperty({ type: [StageView] }) stages!: StageView[];
  @ApiProperty({ type: String, nullable: true, example: '7f1c2c1e-8a4e-4f55-9d3a-2f7a4c1c9b10' })
  correlation_id!: string | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:57.500Z' }) created_at!: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:30:58.000Z' })
  committed_at!: Date | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When its question came to show it, to a fifth of a second.',
    example: '2026-05-04T09:30:58.100Z',
  })
  linked_at!: Date | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:31:02.120Z' })
  transcribed_at!: Date | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:31:02.200Z' })
  audio_deleted_at!: Date | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.300Z' }) updated_at!: Date;
}

export class UploadPage {
  @ApiProperty({ type: [UploadView] }) items!: UploadView[];
  @ApiProperty({ type: String, nullable: true, example: null }) next_cursor!: string | null;
}

export class KnownUpload {
  @ApiProperty({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' }) sha256!: string;
  @ApiProperty({ example: '65abc123def4567890abcdef' }) upload_id!: string;
  @ApiProperty({ example: 'interview-42' }) session_id!: string;
  @ApiProperty({ example: 'q1' }) question_id!: string;
  @ApiProperty({ enum: ['uploaded', 'processing', 'completed', 'failed'], example: 'completed' }) status!: ShownStatus;
}

export class UploadCheckResult {
  @ApiProperty({ type: [KnownUpload], description: 'Newest first; the same bytes may stand for several questions.' })
  known!: KnownUpload[];
  @ApiProperty({ type: [String], description: 'Those that have to be sent.', example: [] }) missing!: string[];
}

/** The word for a row: derived from its state and its stages, never stored. */
export function shownStatus(row: Upload): ShownStatus {
  if (row.state !== 'committed') return row.state;
  const states = Object.values(row.stages).map((stage) => stage.state);
  if (states.includes('failed')) return 'failed';
  if (states.includes('processing')) return 'processing';
  if (states.length > 0 && states.every((state) => state === 'done')) return 'completed';
  return states.includes('done') ? 'processing' : 'uploaded';
}

export function uploadView(row: Upload, attempts: Attempt[]): UploadView {
  return {
    upload_id: row._id.toHexString(),
    kind: row.kind,
    source: row.source,
    status: shownStatus(row),
    session_id: row.session_id,
    question_id: row.question_id,
    file_name: row.file_name ?? null,
    content_type: row.content_type ?? null,
    size: row.size ?? null,
    sha256: row.sha256 ?? null,
    audio: row.kept_state === 'kept' ? 'archived' : row.audio_state,
    language: row.language,
    duplicate_of: row.duplicate_of ?? null,
    superseded_by: row.superseded_by ?? null,
    superseded_at: row.superseded_at ?? null,
    error: row.error,
    stages: STAGES.flatMap((name) => {
      const stage = row.stages[name];
      if (!stage) return [];
      const { state, attempts: count, due_at, started_at, finished_at, error } = stage;
      const history = attempts.filter((attempt) => attempt.stage === name).map(attemptView);
      return [{ name, state, attempts: count, due_at, started_at, finished_at, error, history }];
    }),
    correlation_id: row.correlation_id,
    created_at: row.created_at,
    committed_at: row.committed_at,
    linked_at: row.linked_at ?? null,
    transcribed_at: row.transcribed_at ?? null,
    audio_deleted_at: row.audio_deleted_at ?? null,
    updated_at: row.updated_at,
  };
}

export function attemptView({
  number,
  outcome,
  worker,
  from,
  to,
  error,
  correlation_id,
  times = 1,
}: Attempt): AttemptView {
  return { number, outcome, worker, from, to, error, correlation_id, times };
}
