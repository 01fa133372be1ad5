import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { STAGES } from '../uploads/upload.schema.js';

const ID = '65abc123def4567890abcdef';
const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const AT = '2026-05-04T09:30:57.500Z';

export class FileWithoutRecordView {
  @ApiProperty({ enum: ['files_without_records'], example: 'files_without_records' }) category!: string;
  @ApiProperty({ enum: ['landing', 'archive'], description: 'Where it is stored.', example: 'landing' }) store!: string;
  @ApiProperty({ description: 'In the archive its key.', example: ID }) file_id!: string;
  @ApiProperty({
    enum: ['file', 'chunks'],
    description: '`chunks`: bytes without their file document.',
    example: 'file',
  })
  kind!: string;
  @ApiProperty({
    enum: ['no_row', 'row_closed', 'not_ours', 'no_file_document'],
    description: '`not_ours`: written by another service; only `vivavoce adopt` looks at it.',
    example: 'no_row',
  })
  reason!: string;
  @ApiProperty({ type: String, nullable: true, example: ID }) upload_id!: string | null;
  @ApiProperty({ type: Number, nullable: true, description: 'Bytes.', example: 48213 }) size!: number | null;
  @ApiProperty({ type: String, format: 'date-time', example: AT }) uploaded_at!: Date;
}

export class RecordWithoutFileView {
  @ApiProperty({ enum: ['records_without_files'], example: 'records_without_files' }) category!: string;
  @ApiProperty({ enum: ['landing', 'archive'], description: 'Where it should be.', example: 'landing' }) store!: string;
  @ApiProperty({ example: ID }) upload_id!: string;
  @ApiProperty({ example: ID }) file_id!: string;
  @ApiProperty({ example: 'alice' }) user_id!: string;
  @ApiProperty({ example: 'interview-42' }) session_id!: string;
  @ApiProperty({ example: 'q1' }) question_id!: string;
  @ApiProperty({ enum: ['no_file', 'chunks_missing'], example: 'no_file' }) reason!: string;
}

export class HashMismatchView {
  @ApiProperty({ enum: ['hash_mismatches'], example: 'hash_mismatches' }) category!: string;
  @ApiProperty({ enum: ['landing', 'archive'], description: 'Where it is stored.', example: 'landing' }) store!: string;
  @ApiProperty({ example: ID }) upload_id!: string;
  @ApiProperty({ example: ID }) file_id!: string;
  @ApiProperty({ example: SHA256 }) expected_sha256!: string;
  @ApiProperty({ type: String, nullable: true, description: 'Null: cannot be read to its end.', example: SHA256 })
  actual_sha256!: string | null;
}

export class StuckView {
  @ApiProperty({ enum: ['stuck'], example: 'stuck' }) category!: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Of kept audio the upload that stored it; null for the erasure of a session.',
    example: ID,
  })
  upload_id!: string | null;
  @ApiPropertyOptional({ description: 'Of a session whose erasure is not over.', example: 'alice' }) user_id?: string;
  @ApiPropertyOptional({ example: 'interview-42' }) session_id?: string;
  @ApiProperty({ type: String, enum: STAGES, nullable: true, example: 'transcription' }) stage!: string | null;
  @ApiProperty({
    enum: [
      'upload_lease_expired',
      'link_missing',
      'projection_missing',
      'answer_missing',
      'audio_not_deleted',
      'kept_audio_not_released',
      'kept_audio_not_deleted',
      'erasure_unfinished',
      'stage_lease_expired',
      'stage_waiting',
    ],
    example: 'stage_lease_expired',
  })
  reason!: string;
  @ApiProperty({ type: String, format: 'date-time', example: AT }) since!: Date;
}

export class VerifyCountsView {
  @ApiProperty({ example: 1 }) files_without_records!: number;
  @ApiProperty({ example: 0 }) records_without_files!: number;
  @ApiProperty({ example: 0 }) hash_mismatches!: number;
  @ApiProperty({ example: 0 }) stuck!: number;
}

export class LookedView {
  @ApiProperty({ example: 412 }) files!: number;
  @ApiProperty({ description: 'Rows whose audio is stored or being deleted.', example: 411 }) records!: number;
  @ApiProperty({ description: '0 unless `deep`.', example: 0 }) hashed_bytes!: number;
}

export class VerifyReportView {
  @ApiProperty({ type: [FileWithoutRecordView], description: 'At most 1,000 are named, in each of the lists.' })
  files_without_records!: FileWithoutRecordView[];
  @ApiProperty({ type: [RecordWithoutFileView] }) records_without_files!: RecordWithoutFileView[];
  @ApiProperty({ type: [HashMismatchView] }) hash_mismatches!: HashMismatchView[];
  @ApiProperty({ type: [StuckView] }) stuck!: StuckView[];
  @ApiProperty({ type: VerifyCountsView, description: 'Those that are not named counted too.' })
  counts!: VerifyCountsView;
  @ApiProperty({ type: LookedView }) checked!: LookedView;
  @ApiProperty({ example: false }) deep!: boolean;
  @ApiProperty({ type: String, format: 'date-time', example: AT }) started_at!: Date;
  @ApiProperty({ type: String, format: 'date-time', example: AT }) finished_at!: Date;
  @ApiProperty({ description: 'By which a repair asks for exactly this. Kept for 7 days.', example: ID })
  plan_id!: string;
}
