import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validate, type ValidationError as Fault } from 'class-validator';
import { ValidationError } from './app-error.js';
import { BrokenBody } from './json-body.middleware.js';
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
    if (value instanceof BrokenBody) throw value.fault;
    const place = type === 'param' ? 'path' : type;
    if (value === undefined && place === 'body') {
      throw ValidationError.at(['body'], 'missing', 'Field required');
    }
    const raw = type === 'query' ? withoutRepetitions(value ?? {}, metatype) : value;
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      const msg = 'Input should be a valid dictionary or object to extract fields from';
      throw ValidationError.at([place], 'model_attributes_type', msg, raw);
    }
    const dto = plainToInstance(metatype, raw) as object;
    const faults: Fault[] = await validate(dto, { whitelist: true, forbidUnknownValues: false });
    if (faults.length > 0) throw new ValidationError(issuesOf(faults, raw, [place]));
    return dto;
  }
}

/** Of a query's parameter that comes several times and is no list, the last one counts, as in FastAPI. */
function withoutRepetitions(query: object, { prototype }: { prototype: unknown }): unknown {
  const names = Object.keys(query) as (keyof typeof query)[];
  if (!names.some((name) => Array.isArray(query[name]))) return query;
  return names.reduce(
    (plain, name) => {
      const value: unknown = query[name];
      const isList = Reflect.getMetadata('design:type', prototype as object, name) === Array;
      plain[name] = Array.isArray(value) && !isList ? value.at(-1) : value;
      return plain;
    },
    Object.create(null) as Record<string, unknown>,
  );
}
