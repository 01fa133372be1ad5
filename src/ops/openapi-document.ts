import type { OpenAPIObject } from '@nestjs/swagger';
import { PUBLIC_EXTENSION } from '../auth/auth.decorators.js';
import { documentedError } from '../common/api-errors.decorator.js';
import { LIMITED_EXTENSION } from '../limits/limits.guard.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const;

/** The schemas that FastAPI puts into every document, word for word, and those of all other errors. */
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
  UnexpectedError: {
    properties: {
      detail: { type: 'string', title: 'Detail' },
      correlation_id: { type: 'string', title: 'Correlation Id' },
    },
    type: 'object',
    required: ['detail'],
    title: 'UnexpectedError',
  },
};

/** Headers of RateLimit (IETF httpapi-ratelimit-headers). */
const RATE_LIMIT_HEADERS = {
  'RateLimit-Policy': { description: 'Quota and window in seconds.', schema: { type: 'string' } },
  RateLimit: { description: 'What is left, and seconds until it is whole again.', schema: { type: 'string' } },
} as const;
const REPLAYED_HEADERS = {
  'Idempotency-Replayed': { description: '`true` where an earlier answer is given again.', schema: { type: 'string' } },
} as const;

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
  if (extensions[PUBLIC_EXTENSION] === undefined) {
    operation.security ??= [{ HTTPBearer: [] }];
    // A limit of requests may be set, and the database may be away.
    for (const status of [401, 429, 503]) addError(operation, status);
  }
  addError(operation, 500);
  delete extensions[PUBLIC_EXTENSION];
  const parameters = operation.parameters ?? [];
  // Clients that are generated take them in this order.
  parameters.sort((a, b) => placeIn(path, a) - placeIn(path, b));
  const takesJson =
    operation.requestBody !== undefined &&
    'content' in operation.requestBody &&
    'application/json' in operation.requestBody.content;
  // Percent-encoding that is none; bytes that are no UTF-8, nested beyond reason, or too many.
  if (takesJson || parameters.some((parameter) => 'in' in parameter && parameter.in === 'path'))
    addError(operation, 400);
  // Larger than is read; with a Content-Encoding that is not known.
  if (takesJson) for (const status of [413, 415]) addError(operation, status);
  if (parameters.some((parameter) => 'name' in parameter && parameter.name === 'Idempotency-Key'))
    addHeaders(operation, /^2/, REPLAYED_HEADERS);
  if (extensions[LIMITED_EXTENSION] !== undefined) addHeaders(operation, /^2|^429/, RATE_LIMIT_HEADERS);
  delete extensions[LIMITED_EXTENSION];
  const hasInput = parameters.length > 0 || operation.requestBody !== undefined;
  if (hasInput) operation.responses['422'] ??= validationResponse(operation);
}

/** Where a path names a parameter; what is no parameter of the path comes after those that are. */
function placeIn(path: string, parameter: object): number {
  const { in: place, name } = parameter as { in?: string; name?: string };
  return place === 'path' ? path.indexOf(`{${name}}`) : path.length;
}

function addError(operation: Operation, status: number): void {
  operation.responses[String(status)] ??= documentedError(status);
}

function addHeaders(
  operation: Operation,
  statuses: RegExp,
  headers: typeof RATE_LIMIT_HEADERS | typeof REPLAYED_HEADERS,
) {
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response && statuses.test(status) && !('$ref' in response))
      response.headers = { ...response.headers, ...headers };
  }
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
