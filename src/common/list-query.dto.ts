import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Length, Max, Min } from 'class-validator';
import { IsWhole } from './lax.decorators.js';

/** `?limit=` and `?cursor=` of every list; extend it for filters. */
export class ListQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50, example: 50 })
  @IsWhole()
  @Min(1)
  @Max(200)
  limit: number = 50;

  @ApiPropertyOptional({
    description: '`next_cursor` of the page before.',
    pattern: '^[0-9a-f]{24}$',
    example: '65abc123def4567890abcdef',
  })
  @IsOptional()
  @IsString()
  @Length(1, 512)
  cursor?: string;
}
