import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { CriterionName } from '../uploads/results.js';
import type { Answer, TranscriptionStatus } from './session.schema.js';

export class SegmentView {
  @ApiProperty({ example: 0.4, description: 'Seconds from the start.' }) start!: number;
  @ApiProperty({ example: 3.1 }) end!: number;
  @ApiProperty({ example: 'Last year our release was blocked for two weeks.' }) text!: string;
}

export class EvidenceView {
  @ApiProperty({ example: 'our release was blocked for two weeks' }) quote!: string;
  @ApiProperty({ type: Number, nullable: true, description: 'Seconds; null for text.', example: 0.4 }) start!:
    number | null;
  @ApiProperty({ type: Number, nullable: true, example: 3.1 }) end!: number | null;
}

export class CriterionView {
  @ApiProperty({ enum: ['relevance', 'structure', 'specificity', 'depth', 'delivery'], example: 'structure' })
  name!: CriterionName;
  @ApiProperty({ minimum: 0, maximum: 100, example: 74 }) score!: number;
  @ApiProperty({ minimum: 0, maximum: 1, example: 0.2 }) weight!: number;
  @ApiProperty({ example: 'Situation, task and action are told; the result is missing.' }) reason!: string;
  @ApiProperty({ type: [EvidenceView] }) evidence!: EvidenceView[];
}

/** An answer as every route shows it. */
export class AnswerView {
  @ApiProperty({ example: '65abc123def4567890abcdef' }) id!: string;
  @ApiProperty({ example: 'q1' }) question_id!: string;
  @ApiProperty({ enum: ['audio', 'text'], example: 'audio' }) source!: 'audio' | 'text';
  @ApiProperty({ type: String, nullable: true, example: null }) gridfs_file_id!: string | null;
  @ApiPropertyOptional({
    description: 'Where the kept audio can be heard (sessions with `retain_audio`), with the same sign-in.',
    example: '/api/uploads/65abc123def4567890abcdef/audio',
  })
  audio_url?: string;
  @ApiProperty({ enum: ['queued', 'processing', 'completed', 'failed'], example: 'completed' })
  transcription_status!: TranscriptionStatus;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:31:02.120Z' })
  transcribed_at!: Date | null;
  @ApiProperty({ type: String, nullable: true, example: null }) transcription_error!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'Last year our release was blocked for two weeks.' })
  transcript!: string | null;
  @ApiProperty({ type: [SegmentView] }) segments!: SegmentView[];
  @ApiProperty({ type: String, nullable: true, example: 'en' }) language!: string | null;
  @ApiProperty({ type: Number, nullable: true, description: 'Seconds of audio.', example: 42.7 }) duration!:
    number | null;
  @ApiProperty({ type: String, nullable: true, example: 'local/moonshine-tiny-0.1.29/2' }) transcriber!: string | null;
  @ApiProperty({ type: Number, nullable: true, minimum: 0, maximum: 100, example: 71.5 }) score!: number | null;
  @ApiProperty({ type: [CriterionView] }) criteria!: CriterionView[];
  @ApiProperty({ type: [String], example: ['Say what came of it, with a number if you have one.'] })
  feedback!: string[];
  @ApiProperty({ type: String, nullable: true, example: null }) model_answer!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Why there is no score.', example: null })
  not_scorable!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'rubric/2' }) scorer!: string | null;
  @ApiProperty({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' }) sha256!: string;
  @ApiProperty({ description: 'Bytes.', example: 48213 }) size!: number;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:58.000Z' }) created_at!: Date;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.300Z' }) updated_at!: Date;
}

export function answerView(answer: Answer): AnswerView {
  return {
    id: answer.id,
    question_id: answer.question_id,
    source: answer.source,
    gridfs_file_id: answer.gridfs_file_id,
    ...(answer.audio_url ? { audio_url: answer.audio_url } : {}),
    transcription_status: answer.transcription_status,
    transcribed_at: answer.transcribed_at,
    transcription_error: answer.transcription_error,
    transcript: answer.transcript,
    segments: answer.segments,
    language: answer.language,
    duration: answer.duration,
    transcriber: answer.transcriber,
    score: answer.score,
    criteria: answer.criteria,
    feedback: answer.feedback,
    model_answer: answer.model_answer,
    not_scorable: answer.not_scorable,
    scorer: answer.scorer,
    sha256: answer.sha256,
    size: answer.size,
    created_at: answer.created_at,
    updated_at: answer.updated_at,
  };
}
