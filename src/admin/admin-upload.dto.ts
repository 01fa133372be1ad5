import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { ListQuery } from '../common/list-query.dto.js';
import type { StageName } from '../uploads/upload.schema.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { ShownStatus } from '../uploads/upload.view.js';
import { UploadView } from '../uploads/upload.view.js';
import { SHOWN_STATUSES } from '../uploads/uploads.service.js';
import { CodeFilter, NameFilter, UserFilter } from './filter.decorators.js';

export class AdminUploadFilter {
  @UserFilter() user_id?: string;
  @NameFilter('interview-42') session_id?: string;
  @NameFilter('q1') question_id?: string;

  @ApiPropertyOptional({
    pattern: '^[0-9a-fA-F]{64}$',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  })
  @IsOptional()
  @IsString()
  @Matches(/^[0-9a-fA-F]{64}$/)
  sha256?: string;

  @ApiPropertyOptional({ enum: SHOWN_STATUSES, example: 'failed' })
  @IsOptional()
  @IsIn(SHOWN_STATUSES)
  status?: ShownStatus;

  @CodeFilter() code?: string;
}

export class AdminUploadQuery extends IntersectionType(ListQuery, AdminUploadFilter) {}

export class AdminUploadView extends UploadView {
  @ApiProperty({ example: 'alice' }) user_id!: string;
}

export class AdminUploadPage {
  @ApiProperty({ type: [AdminUploadView] }) items!: AdminUploadView[];
  @ApiProperty({ type: String, nullable: true, example: null }) next_cursor!: string | null;
}

export class FailUpload {
  @ApiProperty({
    minLength: 1,
    maxLength: 500,
    description: 'Shown to the owner as the reason of the failure.',
    example: 'Asked for by its owner',
  })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @IsString()
  @Length(1, 500)
  reason!: string;
}

export class FailedByHand {
  @ApiProperty({ example: '65abc123def4567890abcdef' }) upload_id!: string;
  @ApiProperty({ enum: STAGES, example: 'transcription' }) stage!: StageName;
  @ApiProperty({ enum: ['failed'], example: 'failed' }) state!: 'failed';
}
