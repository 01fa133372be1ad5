import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Length, Max, Min } from 'class-validator';

/** `?limit=` and `?cursor=` of every list; extend it for filters. */
export class ListQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50, example: 50 })
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;

  @ApiPropertyOptional({
    description: '`next_cursor` of the page before.',
    minLength: 1,
    maxLength: 512,
    example: 'eyJpZCI6IjY1YWJjIn0',
  })
  @IsOptional()
  @IsString()
  @Length(1, 512)
  cursor?: string;
}
