import { Controller, Get, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
  IntersectionType,
} from '@nestjs/swagger';
import { IsOptional, IsString, Length, Matches } from 'class-validator';
import { Audit } from '../audit/audit.js';
import type { AuditEntry, AuditOutcome } from '../audit/audit.schema.js';
import { Roles } from '../auth/auth.decorators.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { cursorId } from '../common/cursor.js';
import { ListQuery } from '../common/list-query.dto.js';
import { SinceFilter, UserFilter } from './filter.decorators.js';

class AuditFilterQuery {
  @UserFilter() user_id?: string;

  @ApiPropertyOptional({ pattern: '^[a-z_]{1,64}(\\.[a-z_]{1,64})?$', example: 'dead_letter.retry' })
  @IsOptional()
  @IsString()
  @Matches(/^[a-z_]{1,64}(\.[a-z_]{1,64})?$/)
  action?: string;

  @ApiPropertyOptional({ minLength: 1, maxLength: 256, example: 'upload/65abc123def4567890abcdef' })
  @IsOptional()
  @IsString()
  @Length(1, 256)
  target?: string;

  @SinceFilter('Only what was done at or after this time.') since?: Date;
}

export class AuditQuery extends IntersectionType(ListQuery, AuditFilterQuery) {}

export class AuditEntryView {
  @ApiProperty({ example: '65abc123def4567890abcdef' }) id!: string;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.120Z' }) at!: Date;
  @ApiProperty({ example: 'root' }) user_id!: string;
  @ApiProperty({ example: 'dead_letter.retry' }) action!: string;
  @ApiProperty({ description: 'What it was done to.', example: 'upload/65abc123def4567890abcdef' }) target!: string;
  @ApiProperty({
    enum: ['done', 'refused', 'error'],
    description: '`refused`: a state was against it, and nothing changed.',
    example: 'done',
  })
  outcome!: AuditOutcome;
  @ApiProperty({ type: String, nullable: true, description: 'Of the error, when it was not done.', example: null })
  code!: string | null;
  @ApiProperty({ type: Object, additionalProperties: true, example: { reason: 'Asked for by its owner' } })
  details!: Record<string, unknown>;
  @ApiProperty({ type: String, nullable: true, example: '192.0.2.7' }) ip!: string | null;
  @ApiProperty({ type: String, nullable: true, example: '7f1c2c1e-8a4e-4f55-9d3a-2f7a4c1c9b10' })
  correlation_id!: string | null;
}

export class AuditPage {
  @ApiProperty({ type: [AuditEntryView] }) items!: AuditEntryView[];
  @ApiProperty({ type: String, nullable: true, example: null }) next_cursor!: string | null;
}

@ApiTags('admin')
@Roles('admin')
@Controller('api/admin/audit')
export class AuditController {
  constructor(private readonly audit: Audit) {}

  @Get()
  @ApiOperation({ summary: 'Who did what to what, when and from where, newest first' })
  @ApiResponse({ status: 200, type: AuditPage })
  @ApiErrors(401, 403)
  async listAudit(@Query() { limit, cursor, ...filter }: AuditQuery): Promise<AuditPage> {
    const found = await this.audit.list(filter, limit + 1, cursorId(cursor));
    const page = found.slice(0, limit);
    return {
      items: page.map(entryView),
      next_cursor: found.length > limit ? (page.at(-1)?._id.toHexString() ?? null) : null,
    };
  }
}

function entryView(entry: AuditEntry): AuditEntryView {
  const { _id, at, user_id, action, target, outcome, code, details, ip, correlation_id } = entry;
  return { id: _id.toHexString(), at, user_id, action, target, outcome, code, details, ip, correlation_id };
}
