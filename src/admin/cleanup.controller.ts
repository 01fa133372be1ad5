import { Controller, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Max, Min } from 'class-validator';
import { type Actor, CurrentActor } from '../audit/actor.decorator.js';
import { Audit } from '../audit/audit.js';
import { Roles } from '../auth/auth.decorators.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { IsFlag, IsWhole } from '../common/lax.decorators.js';
import { Idempotent } from '../idempotency/idempotent.decorator.js';
import { AudioCleanup } from '../sweep/audio-cleanup.js';
import type { CleanupReport } from '../sweep/audio-cleanup.js';

export class CleanupQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 87600, default: 24, example: 24 })
  @IsWhole()
  @Min(0)
  @Max(87600)
  hours: number = 24;

  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    description: 'Say what would go, and delete nothing.',
    example: true,
  })
  @IsFlag()
  dry_run: boolean = false;
}

export class CleanedFileView {
  @ApiProperty({ example: '65abc123def4567890abcdef' }) file_id!: string;
  @ApiProperty({ example: '65abc123def4567890abcdee' }) upload_id!: string;
  @ApiProperty({ description: 'Bytes.', example: 48213 }) size!: number;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:57.500Z' }) uploaded_at!: Date;
  @ApiProperty({
    enum: ['superseded', 'duplicate', 'failed_upload', 'transcribed', 'dismissed', 'expired'],
    example: 'superseded',
  })
  reason!: string;
}

export class CleanupResult {
  @ApiProperty({ example: 1 }) deleted_count!: number;
  @ApiProperty({ example: 48213 }) freed_bytes!: number;
  @ApiProperty({ type: [CleanedFileView], description: 'At most 1,000 of them.' }) files!: CleanedFileView[];
}

@ApiTags('admin')
@Roles('admin')
@Controller('api/admin')
export class CleanupController {
  constructor(
    private readonly audio: AudioCleanup,
    private readonly audit: Audit,
  ) {}

  @Post('cleanup')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'Delete old audio that nothing needs' })
  @ApiResponse({ status: 200, type: CleanupResult })
  @ApiErrors(401, 403, 409)
  async cleanup(@CurrentActor() actor: Actor, @Query() { hours, dry_run }: CleanupQuery): Promise<CleanupReport> {
    return this.audit.act(
      actor,
      { action: 'cleanup', target: 'audio', details: { hours, dry_run } },
      () => this.audio.run(hours, dry_run),
      ({ deleted_count, freed_bytes }) => ({ deleted_count, freed_bytes }),
    );
  }
}
