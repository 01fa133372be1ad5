import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { IsIn, IsOptional, Max, Min } from 'class-validator';
import { IsWhole } from '../common/lax.decorators.js';
import { ListQuery } from '../common/list-query.dto.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { Attempt, StageName } from '../uploads/upload.schema.js';
import { AttemptView, attemptView } from '../uploads/upload.view.js';
import type { DeadLetter, LetterState } from './dead-letter.js';
import { letterState, obstacleOf } from './dead-letter.js';
import { CodeFilter, NameFilter, SinceFilter, StageFilter, UserFilter } from './filter.decorators.js';

export class DeadLetterFilter {
  @StageFilter() stage?: StageName;
  @CodeFilter() code?: string;
  @UserFilter() user_id?: string;
  @NameFilter('interview-42') session_id?: string;
  @SinceFilter('Only what failed at or after this time.') since?: Date;
}

export class DeadLetterQuery extends IntersectionType(ListQuery, DeadLetterFilter) {
  @ApiPropertyOptional({ enum: ['open', 'expired'], description: 'Both, when it is not given.', example: 'open' })
  @IsOptional()
  @IsIn(['open', 'expired'])
  state?: 'open' | 'expired';
}

export class RetryMany extends DeadLetterFilter {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 500, default: 100, example: 100 })
  @IsWhole()
  @Min(1)
  @Max(500)
  limit: number = 100;
}

export class RetriedMany {
  @ApiProperty({ description: 'How many are queued again.', example: 2 }) retried!: number;
  @ApiProperty({ description: 'How many of those that match wait for another call.', example: 0 }) remaining!: number;
  @ApiProperty({ type: [String], example: ['65abc123def4567890abcdef', '65abc123def4567890abcdf0'] }) ids!: string[];
}

export class DeadLetterView {
  @ApiProperty({ description: "The upload's id.", example: '65abc123def4567890abcdef' }) id!: string;
  @ApiProperty({ enum: ['answer'], example: 'answer' }) kind!: string;
  @ApiProperty({ example: 'alice' }) user_id!: string;
  @ApiProperty({ example: 'interview-42' }) session_id!: string;
  @ApiProperty({ example: 'q1' }) question_id!: string;
  @ApiProperty({ enum: STAGES, example: 'transcription' }) stage!: StageName;
  @ApiProperty({
    enum: ['open', 'expired', 'dismissed'],
    description: '`expired`: its audio was kept as long as failed audio is kept, and is gone.',
    example: 'open',
  })
  state!: LetterState;
  @ApiProperty({ description: 'Stable.', example: 'audio_undecodable' }) code!: string;
  @ApiProperty({ example: 'The audio could not be decoded' }) message!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-05-04T09:31:02.120Z' })
  failed_at!: Date | null;
  @ApiProperty({ type: [AttemptView], description: 'Every attempt, those before an earlier retry included.' })
  attempts!: AttemptView[];
  @ApiProperty({ enum: ['stored', 'deleting', 'deleted', 'none'], example: 'stored' }) audio!: string;
  @ApiProperty({ type: Number, nullable: true, description: 'Bytes.', example: 48213 }) size!: number | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  })
  sha256!: string | null;
  @ApiProperty({ example: true }) can_retry!: boolean;
  @ApiProperty({ type: String, nullable: true, description: 'Why it cannot be retried.', example: null })
  obstacle!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null }) dismissed_at!: Date | null;
  @ApiProperty({ type: String, nullable: true, example: null }) dismissed_by!: string | null;
  @ApiProperty({ type: String, nullable: true, example: '7f1c2c1e-8a4e-4f55-9d3a-2f7a4c1c9b10' })
  correlation_id!: string | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:57.500Z' }) created_at!: Date;
}

export class DeadLetterPage {
  @ApiProperty({ type: [DeadLetterView] }) items!: DeadLetterView[];
  @ApiProperty({ type: String, nullable: true, example: null }) next_cursor!: string | null;
}

/** @param attempts of any uploads; those of this letter are taken */
export function deadLetterView(letter: DeadLetter, attempts: Attempt[]): DeadLetterView {
  const { row, name, stage } = letter;
  const obstacle = obstacleOf(letter);
  return {
    id: row._id.toHexString(),
    kind: row.kind,
    user_id: row.user_id,
    session_id: row.session_id,
    question_id: row.question_id,
    stage: name,
    state: letterState(letter),
    code: stage.error?.code ?? 'unknown',
    message: stage.error?.message ?? 'No reason was recorded',
    failed_at: stage.finished_at,
    attempts: attempts.filter((one) => one.upload_id.equals(row._id) && one.stage === name).map(attemptView),
    audio: row.audio_state,
    size: row.size ?? null,
    sha256: row.sha256 ?? null,
    can_retry: obstacle === null,
    obstacle,
    dismissed_at: stage.dismissed_at ?? null,
    dismissed_by: stage.dismissed_by ?? null,
    correlation_id: row.correlation_id,
    created_at: row.created_at,
  };
}
