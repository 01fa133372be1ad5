import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';

interface Documented {
  description: string;
  example: string;
  headers?: Record<string, { description: string; schema: { type: 'string' | 'integer' } }>;
}

const retryAfter = { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' as const } } };

const ERRORS: Record<number, Documented> = {
  400: { description: 'Broken request', example: 'There was an error parsing the body' },
  401: {
    description: 'No token, or not a good one',
    example: 'Not authenticated',
    headers: { 'WWW-Authenticate': { description: 'Always `Bearer`.', schema: { type: 'string' } } },
  },
  403: { description: 'A role is missing', example: 'Not enough permissions' },
  404: { description: 'Unknown, or not yours', example: 'Session not found' },
  409: { description: 'In conflict with a state', example: 'This Idempotency-Key was used with other content' },
  413: { description: 'Too large', example: 'The file is larger than 50 MB' },
  415: { description: 'Not a type that is accepted here', example: 'The file is not audio in a known format' },
  416: { description: 'There is no such range', example: 'Requested range not satisfiable' },
  429: {
    description: 'Too much in this minute',
    example: 'Too many uploads: at most 60 a minute.',
    headers: retryAfter,
  },
  500: { description: 'A fault of the service, which its log tells of by this id', example: 'Internal Server Error' },
  502: { description: 'An upstream service failed', example: 'The transcription service failed' },
  503: {
    description: 'Not available at the moment',
    example: 'The database cannot be reached at the moment. Please try again.',
    headers: retryAfter,
  },
  507: {
    description: 'No room is left',
    example: 'There is no room left for this at the moment. Please try again later.',
    headers: retryAfter,
  },
};

/** An error answer of the shape `{"detail": "…"}` as OpenAPI describes it. */
export function documentedError(status: number) {
  const documented = ERRORS[status];
  if (!documented) throw new RangeError(`No documentation for errors with status ${status}`);
  const { description, example, headers } = documented;
  const [name, more] = status === 500 ? ['UnexpectedError', { correlation_id: 'f3b1c2d4' }] : ['HTTPError', {}];
  const content = {
    'application/json': { schema: { $ref: `#/components/schemas/${name}` }, example: { detail: example, ...more } },
  };
  return { description, headers, content };
}

/** Documents error answers of the shape `{"detail": "…"}`. Those that come with input or with a token are added by themselves. */
export function ApiErrors(...statuses: number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(...statuses.map((status) => ApiResponse({ status, ...documentedError(status) })));
}
