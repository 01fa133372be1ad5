import { applyDecorators } from '@nestjs/common';
import { Transform, Type } from 'class-transformer';
import { IsArray, ValidateNested } from 'class-validator';

/** A list of objects of that class, each validated. A list in place of one of them is none, which class-validator would let through. */
export const IsListOf = (type: () => new () => object): PropertyDecorator =>
  applyDecorators(
    IsArray(),
    ValidateNested({ each: true }),
    Type(type),
    Transform(({ value }: { value: unknown }) =>
      Array.isArray(value) ? value.map((item: unknown) => (Array.isArray(item) ? null : item)) : value,
    ),
  );
