import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsBoolean } from 'class-validator';

const WORDS = new Map<string, boolean>(
  Object.entries({ true: true, t: true, yes: true, y: true, on: true, '1': true }).concat(
    Object.entries({ false: false, f: false, no: false, n: false, off: false, '0': false }),
  ),
);

/** A boolean that may come as a word in a query or form, in the words that pydantic takes (`true`, `1`, `on`, `yes`, …). */
export function IsFlag(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' ? (WORDS.get(value.toLowerCase()) ?? value) : value,
    ),
    IsBoolean(),
  );
}
