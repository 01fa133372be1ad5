import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validate, type ValidationError as Fault } from 'class-validator';
import { ValidationError } from './app-error.js';
import { issuesOf } from './validation-issues.js';

/** Types that are no DTO: Nest hands these over as they are, or another pipe converts them. */
const PLAIN_TYPES = new Set<unknown>([String, Number, Boolean, Array, Object, Buffer]);

/**
 * Turns bodies and queries into their class-validator DTOs. Unknown fields are dropped without a word, as FastAPI does by default.
 *
 * @throws ValidationError (422) with pydantic's types, places and words
 */
export class ValidationPipe implements PipeTransform<unknown, Promise<unknown>> {
  async transform(value: unknown, { type, metatype }: ArgumentMetadata): Promise<unknown> {
    if (type === 'custom' || metatype === undefined || PLAIN_TYPES.has(metatype)) return value;
    const place = type === 'param' ? 'path' : type;
    if (value === undefined && place === 'body') {
      throw ValidationError.at(['body'], 'missing', 'Field required');
    }
    const raw = value ?? {};
    if (typeof raw !== 'object' || Array.isArray(raw)) {
      const msg = 'Input should be a valid dictionary or object to extract fields from';
      throw ValidationError.at([place], 'model_attributes_type', msg, raw);
    }
    const dto = plainToInstance(metatype, raw) as object;
    const faults: Fault[] = await validate(dto, { whitelist: true, forbidUnknownValues: false });
    if (faults.length > 0) throw new ValidationError(issuesOf(faults, raw, [place]));
    return dto;
  }
}
