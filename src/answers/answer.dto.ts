import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import { AnswerView } from '../sessions/answer.view.js';
import type { TranscriptionStatus } from '../sessions/session.schema.js';

const STATUSES = ['queued', 'processing', 'completed', 'failed'];

export class AudioUpload {
  @ApiProperty({
    type: String,
    format: 'binary',
    description: 'webm/opus, ogg, wav, mp3, m4a/mp4 or flac, told by content.',
  })
  audio!: unknown;
  @ApiPropertyOptional({
    pattern: '^[a-z]{2}$',
    description: 'ISO 639-1. Of a failed answer that is sent again, the new one counts.',
    example: 'en',
  })
  language?: string;
  @ApiPropertyOptional({
    pattern: '^[0-9a-fA-F]{64}$',
    description: 'Checked against what arrived.',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  })
  sha256?: string;
}

export class UploadAccepted {
  @ApiProperty({ example: 'processing' }) status!: 'processing';
  @ApiProperty({ example: 'Audio uploaded successfully, transcription in progress' }) message!: string;
  @ApiProperty({ example: '65abc123def4567890abcdef' }) file_id!: string;
  @ApiProperty({ enum: STATUSES, example: 'queued' }) transcription_status!: TranscriptionStatus;
  @ApiProperty({ example: '65abc123def4567890abcdee' }) upload_id!: string;
  @ApiProperty({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' }) sha256!: string;
  @ApiProperty({ description: 'Bytes.', example: 48213 }) size!: number;
  @ApiProperty({ description: "The same bytes are the question's current take.", example: false }) duplicate!: boolean;
}

export class TextAnswer {
  @ApiProperty({ minLength: 1, maxLength: 20000, example: 'Last year our release was blocked for two weeks.' })
  @IsString()
  @Length(1, 20000)
  text!: string;
}

export class TextAnswerAccepted {
  @ApiProperty({ example: 'completed' }) status!: 'completed';
  @ApiProperty({ example: 'q1' }) question_id!: string;
  @ApiProperty({ example: 'completed' }) transcription_status!: 'completed';
  @ApiProperty({ example: 'text' }) source!: 'text';
}

export class QuestionStatus {
  @ApiProperty({ enum: STATUSES, example: 'completed' }) status!: TranscriptionStatus;
  @ApiProperty({ example: 'q1' }) question_id!: string;
  @ApiProperty({ type: String, nullable: true, example: 'Last year our release was blocked for two weeks.' })
  transcript!: string | null;
  @ApiPropertyOptional({
    description: 'On failure, in words a person understands.',
    example: 'The audio could not be decoded',
  })
  error?: string;
}

export class StatusSummary {
  @ApiProperty({ example: 5 }) total!: number;
  @ApiProperty({ example: 3 }) completed!: number;
  @ApiProperty({ example: 1 }) processing!: number;
  @ApiProperty({ example: 1 }) queued!: number;
  @ApiProperty({ example: 0 }) failed!: number;
}

export class SessionStatus {
  @ApiProperty({ example: 'interview-42' }) session_id!: string;
  @ApiProperty({ type: StatusSummary }) summary!: StatusSummary;
  @ApiProperty({
    type: 'object',
    additionalProperties: { $ref: '#/components/schemas/QuestionStatus' },
    example: { q1: { status: 'queued', question_id: 'q1', transcript: null } },
  })
  questions!: Record<string, QuestionStatus>;
}

export class AnalysisPending {
  @ApiProperty({ example: 'transcription_pending' }) status!: 'transcription_pending';
  @ApiProperty({ enum: ['transcription', 'analysis'], example: 'transcription' }) stage!: 'transcription' | 'analysis';
  @ApiProperty({ example: 'Waiting for 2 transcriptions to complete' }) message!: string;
  @ApiProperty({ example: 1 }) pending_count!: number;
  @ApiProperty({ example: 1 }) processing_count!: number;
  @ApiProperty({ description: 'Seconds.', minimum: 1, maximum: 30, example: 5 }) retry_after!: number;
}

export class AnalysisDone {
  @ApiProperty({ example: 'success' }) status!: 'success';
  @ApiProperty({ type: Number, nullable: true, example: 85.5 }) final_score!: number | null;
  @ApiProperty({ example: 5 }) scored_count!: number;
  @ApiProperty({ example: 0 }) failed_count!: number;
  @ApiProperty({ example: 0 }) not_scorable_count!: number;
  @ApiProperty({ type: [AnswerView] }) answers!: AnswerView[];
  @ApiProperty({ type: [String], description: 'Questions without an answer.', example: [] }) missing!: string[];
}
