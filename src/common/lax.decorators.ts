import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, IsNumber } from 'class-validator';

/*
 * Values in the spellings that pydantic takes where it is not told to be strict:
 * https://docs.pydantic.dev/latest/concepts/conversion_table/
 */

const WORDS = new Map<unknown, boolean>([
  ...['true', 't', 'yes', 'y', 'on', '1', 1].map((word) => [word, true] as const),
  ...['false', 'f', 'no', 'n', 'off', '0', 0].map((word) => [word, false] as const),
]);
const WHOLE = /^\s*[+-]?\d+(?:_\d+)*(?:\.0+)?\s*$/;
const DECIMAL = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

/** A boolean, also as a word (`true`, `on`, `yes`, …) or as 0 or 1. */
export function IsFlag(): PropertyDecorator {
  const flag = (value: unknown) => WORDS.get(typeof value === 'string' ? value.toLowerCase() : value) ?? value;
  return applyDecorators(read(flag), IsBoolean());
}

/** A whole number, also as text: queries and forms have nothing else. An empty text is none. */
export function IsWhole(): PropertyDecorator {
  return applyDecorators(
    read((value) => numberFrom(value, WHOLE)),
    IsInt(),
  );
}

/** A number, also as text. */
export function IsDecimal(): PropertyDecorator {
  return applyDecorators(
    read((value) => numberFrom(value, DECIMAL)),
    IsNumber(),
  );
}

function read(convert: (value: unknown) => unknown): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) => convert(value));
}

function numberFrom(value: unknown, shape: RegExp): unknown {
  return typeof value === 'string' && shape.test(value) ? Number(value.replaceAll('_', '')) : value;
}
