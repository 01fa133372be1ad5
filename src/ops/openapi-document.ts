import type { OpenAPIObject } from '@nestjs/swagger';
import { PUBLIC_EXTENSION } from '../auth/auth.decorators.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const;

/** The schemas that FastAPI puts into every document, word for word, and the one of all other errors. */
const ERROR_SCHEMAS = {
  HTTPValidationError: {
    properties: {
      detail: { items: { $ref: '#/components/schemas/ValidationError' }, type: 'array', title: 'Detail' },
    },
    type: 'object',
    title: 'HTTPValidationError',
  },
  ValidationError: {
    properties: {
      loc: { items: { anyOf: [{ type: 'string' }, { type: 'integer' }] }, type: 'array', title: 'Location' },
      msg: { type: 'string', title: 'Message' },
      type: { type: 'string', title: 'Error Type' },
      input: { title: 'Input' },
      ctx: { type: 'object', title: 'Context' },
    },
    type: 'object',
    required: ['loc', 'msg', 'type'],
    title: 'ValidationError',
  },
  HTTPError: {
    properties: { detail: { type: 'string', title: 'Detail' } },
    type: 'object',
    required: ['detail'],
    title: 'HTTPError',
  },
};

/** Makes of Nest's document one that FastAPI could have written, valid against OpenAPI 3.1. */
export function finishDocument(document: OpenAPIObject): OpenAPIObject {
  const finished = withoutOldWords(document) as OpenAPIObject;
  finished.components ??= {};
  finished.components.schemas = { ...finished.components.schemas, ...(ERROR_SCHEMAS as object) };
  for (const [path, item] of Object.entries(finished.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation) finishOperation(operation, path, method);
    }
  }
  return finished;
}

function finishOperation(operation: Operation, path: string, method: string): void {
  operation.operationId = operationId(operation.operationId ?? method, path, method);
  const extensions = operation as unknown as Record<string, unknown>;
  if (extensions[PUBLIC_EXTENSION] === undefined) operation.security ??= [{ HTTPBearer: [] }];
  delete extensions[PUBLIC_EXTENSION];
  const hasInput = (operation.parameters?.length ?? 0) > 0 || operation.requestBody !== undefined;
  if (hasInput) operation.responses['422'] ??= validationResponse(operation);
}

/** FastAPI's way: function name and path with everything that is no word character replaced, then the method. */
function operationId(functionName: string, path: string, method: string): string {
  const name = functionName.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
  return `${`${name}${path}`.replace(/\W/g, '_')}_${method}`;
}

function validationResponse(operation: Operation) {
  const [parameter] = operation.parameters ?? [];
  const loc = parameter && 'in' in parameter ? [parameter.in, parameter.name] : ['body'];
  return {
    description: 'Validation Error',
    content: {
      'application/json': {
        schema: { $ref: '#/components/schemas/HTTPValidationError' },
        example: { detail: [{ type: 'missing', loc, msg: 'Field required', input: null }] },
      },
    },
  };
}

/** A copy in which OpenAPI 3.0's `nullable` and boolean exclusive bounds are said as JSON Schema 2020-12 says them. */
function withoutOldWords(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutOldWords);
  if (typeof node !== 'object' || node === null) return node;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    // What stands in an example is data, whatever its fields are called.
    copy[key] = key === 'example' || key === 'examples' ? value : withoutOldWords(value);
  }
  if (copy['exclusiveMinimum'] === true) replaceBound(copy, 'minimum', 'exclusiveMinimum');
  if (copy['exclusiveMaximum'] === true) replaceBound(copy, 'maximum', 'exclusiveMaximum');
  return copy['nullable'] === true ? asNullable(copy) : dropFalse(copy);
}

function replaceBound(schema: Record<string, unknown>, from: string, to: string): void {
  schema[to] = schema[from];
  delete schema[from];
}

function dropFalse(schema: Record<string, unknown>): Record<string, unknown> {
  for (const key of ['nullable', 'exclusiveMinimum', 'exclusiveMaximum']) if (schema[key] === false) delete schema[key];
  return schema;
}

function asNullable({ nullable: _nullable, ...schema }: Record<string, unknown>): Record<string, unknown> {
  if (typeof schema['type'] === 'string') {
    const values = schema['enum'];
    return {
      ...schema,
      type: [schema['type'], 'null'],
      ...(Array.isArray(values) && !values.includes(null) ? { enum: [...(values as unknown[]), null] } : {}),
    };
  }
  if (Array.isArray(schema['allOf']) && schema['allOf'].length === 1) {
    const { allOf, ...rest } = schema;
    return { ...rest, anyOf: [(allOf as unknown[])[0], { type: 'null' }] };
  }
  if (typeof schema['$ref'] === 'string') {
    const { $ref, ...rest } = schema;
    return { ...rest, anyOf: [{ $ref }, { type: 'null' }] };
  }
  return schema;
}
