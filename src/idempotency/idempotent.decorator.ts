import { applyDecorators, UseInterceptors } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';

/** Documents the header; for routes that use `Idempotency` themselves. */
export const ApiIdempotencyKey = () =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'The same key and content give the first response again; the same key with other content is 409.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: '6f1c0f7a-attempt-1',
  });

/** A route with a JSON body that is carried out once per `Idempotency-Key`. */
export const Idempotent = () => applyDecorators(UseInterceptors(IdempotencyInterceptor), ApiIdempotencyKey());
