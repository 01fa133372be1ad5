import { Param, type PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { ValidationError } from './app-error.js';

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const OBJECT_ID = /^[0-9a-fA-F]{24}$/;
const UUID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

/** They would pass the pattern, and mean something to JavaScript when used as a key. */
const RESERVED = new Set(['__proto__', 'constructor', 'prototype']);

/** What a session's or question's id looks like in a body: the path's rule, the reserved names left out. */
export const NAME_ID = /^(?!(?:__proto__|constructor|prototype)$)[A-Za-z0-9_-]{1,64}$/;

/** Whether a text may be a session's or question's id. */
export function isNameId(text: string): boolean {
  return NAME.test(text) && !RESERVED.has(text);
}

class IdPipe implements PipeTransform<unknown, string> {
  constructor(
    private readonly name: string,
    private readonly shape: RegExp,
    private readonly convert: (text: string) => string,
  ) {}

  transform(value: unknown): string {
    if (typeof value !== 'string' || !this.shape.test(value)) {
      const msg = `String should match pattern '${this.shape.source}'`;
      const ctx = { pattern: this.shape.source };
      throw new ValidationError([
        { type: 'string_pattern_mismatch', loc: ['path', this.name], msg, input: value, ctx },
      ]);
    }
    if (RESERVED.has(value)) {
      throw new ValidationError([
        {
          type: 'value_error',
          loc: ['path', this.name],
          msg: 'Value error, this id is reserved',
          input: value,
          ctx: { error: {} },
        },
      ]);
    }
    return this.convert(value);
  }
}

function idParameter(name: string, shape: RegExp, example: string, convert = (text: string) => text) {
  const param = Param(name, new IdPipe(name, shape, convert));
  const documented = ApiParam({ name, schema: { type: 'string', pattern: shape.source, examples: [example] } });
  return (target: object, key: string | symbol | undefined, index: number): void => {
    param(target, key, index);
    const descriptor = key === undefined ? undefined : Object.getOwnPropertyDescriptor(target, key);
    if (key !== undefined && descriptor) documented(target, key, descriptor);
  };
}

/** A path parameter such as `session_id`: 1 to 64 of `A-Z a-z 0-9 _ -`, never a name that JavaScript reserves. Else 422. */
export const PathId = (name: string): ParameterDecorator =>
  idParameter(name, NAME, name === 'question_id' ? 'q1' : 'interview-42');

/** A path parameter that is a MongoDB ObjectId; handed over in lower case. Else 422. */
export const PathObjectId = (name: string): ParameterDecorator =>
  idParameter(name, OBJECT_ID, '65abc123def4567890abcdef', (text) => text.toLowerCase());

/** A path parameter that is a UUID; handed over in lower case. Else 422. */
export const PathUuid = (name: string): ParameterDecorator =>
  idParameter(name, UUID, '7f1c2c1e-8a4e-4f55-9d3a-2f7a4c1c9b10', (text) => text.toLowerCase());
