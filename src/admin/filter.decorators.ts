import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsDate, IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { IsNameId, NAME_ID } from '../common/name-id.js';
import { STAGES } from '../uploads/upload.schema.js';

const ISO_TIME = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/** A filter by whom an entry is of. */
export const UserFilter = () =>
  applyDecorators(
    ApiPropertyOptional({ minLength: 1, maxLength: 256, example: 'alice' }),
    IsOptional(),
    IsString(),
    Length(1, 256),
  );

/** A filter by a session's or question's id. */
export const NameFilter = (example: string) =>
  applyDecorators(ApiPropertyOptional({ pattern: NAME_ID.source, example }), IsOptional(), IsNameId());

/** A filter by the stable code of an error. */
export const CodeFilter = () =>
  applyDecorators(
    ApiPropertyOptional({ pattern: '^[a-z0-9_]{1,64}$', example: 'audio_undecodable' }),
    IsOptional(),
    IsString(),
    Matches(/^[a-z0-9_]{1,64}$/),
  );

export const StageFilter = () =>
  applyDecorators(ApiPropertyOptional({ enum: STAGES, example: 'transcription' }), IsOptional(), IsIn(STAGES));

/** A time, ISO 8601; without an offset it is UTC. Handed over as a `Date`. */
export const SinceFilter = (description: string) =>
  applyDecorators(
    ApiPropertyOptional({ type: String, format: 'date-time', description, example: '2026-05-04T00:00:00Z' }),
    IsOptional(),
    Transform(({ value }: { value: unknown }) => asDate(value)),
    IsDate({ message: 'Input should be a valid datetime' }),
  );

function asDate(value: unknown): unknown {
  if (typeof value !== 'string' || !ISO_TIME.test(value)) return value;
  const isTimeWithoutOffset = value.includes('T') && !/(?:Z|[+-]\d{2}:?\d{2})$/.test(value);
  const date = new Date(isTimeWithoutOffset ? `${value}Z` : value);
  return Number.isNaN(date.getTime()) ? value : date;
}
