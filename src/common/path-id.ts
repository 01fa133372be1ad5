import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import type { Request } from 'express';
import { ValidationError, type ValidationIssue } from './app-error.js';
import { NAME_ID, RESERVED_ID_MESSAGE, RESERVED_IDS } from './name-id.js';
import { patternIssue, valueIssue } from './pydantic-words.js';

const OBJECT_ID = /^[0-9a-fA-F]{24}$/;
const UUID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

interface PathParameter {
  name: string;
  shape: RegExp;
  index: number;
}

const PARAMETERS = 'path-id:parameters';

/** What is wrong with an id of a path; null if nothing is. */
function issueOf({ name, shape }: PathParameter, value: unknown): ValidationIssue | null {
  const loc = ['path', name];
  if (typeof value !== 'string' || !shape.test(value)) return patternIssue(loc, shape, value);
  return RESERVED_IDS.includes(value) ? valueIssue(loc, RESERVED_ID_MESSAGE, value) : null;
}

function idParameter(name: string, shape: RegExp, example: string, convert = (text: string) => text) {
  const documented = ApiParam({ name, schema: { type: 'string', pattern: shape.source, examples: [example] } });
  const read = createParamDecorator((_data: unknown, context: ExecutionContext): string => {
    const { params } = context.switchToHttp().getRequest<Request>();
    const value = params[name];
    if (typeof value === 'string' && shape.test(value) && !RESERVED_IDS.includes(value)) return convert(value);
    // One is wrong: all that are wrong are named, in the order of the path.
    const parameters = Reflect.getMetadata(PARAMETERS, context.getHandler()) as PathParameter[];
    throw new ValidationError(parameters.flatMap((parameter) => issueOf(parameter, params[parameter.name]) ?? []));
  });
  return (target: object, key: string | symbol | undefined, index: number): void => {
    read()(target, key, index);
    const descriptor = key === undefined ? undefined : Object.getOwnPropertyDescriptor(target, key);
    if (key === undefined || !descriptor) return;
    documented(target, key, descriptor);
    const handler = descriptor.value as object;
    const others = (Reflect.getMetadata(PARAMETERS, handler) as PathParameter[] | undefined) ?? [];
    const all = [...others, { name, shape, index }].sort((a, b) => a.index - b.index);
    Reflect.defineMetadata(PARAMETERS, all, handler);
  };
}

/** A path parameter such as `session_id`: 1 to 64 of `A-Z a-z 0-9 _ -`, never a name that JavaScript reserves. Else 422. */
export const PathId = (name: string): ParameterDecorator =>
  idParameter(name, NAME_ID, name === 'question_id' ? 'q1' : 'interview-42');

/** A path parameter that is a MongoDB ObjectId; handed over in lower case. Else 422. */
export const PathObjectId = (name: string): ParameterDecorator =>
  idParameter(name, OBJECT_ID, '65abc123def4567890abcdef', (text) => text.toLowerCase());

/** A path parameter that is a UUID; handed over in lower case. Else 422. */
export const PathUuid = (name: string): ParameterDecorator =>
  idParameter(name, UUID, '7f1c2c1e-8a4e-4f55-9d3a-2f7a4c1c9b10', (text) => text.toLowerCase());
