import {
  applyDecorators,
  createParamDecorator,
  type ExecutionContext,
  SetMetadata,
  UseInterceptors,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import { ANSWERS_ANEW, IdempotencyInterceptor, type RepeatableRequest } from './idempotency.interceptor.js';

/** Documents the header; for routes that use `Idempotency` themselves. */
export const ApiIdempotencyKey = () =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'The same key and content give the first response again; the same key with other content is 409.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: '6f1c0f7a-attempt-1',
  });

/**
 * A route with a JSON body that is carried out once per `Idempotency-Key`. With `anew` its answer is not kept, since it tells of
 * what others may have erased meanwhile: the handler asks `@IsRepetition()`, and then only looks at what there is.
 */
export const Idempotent = ({ anew = false } = {}) =>
  applyDecorators(UseInterceptors(IdempotencyInterceptor), SetMetadata(ANSWERS_ANEW, anew), ApiIdempotencyKey());

export const IsRepetition = createParamDecorator(
  (_data: unknown, context: ExecutionContext): boolean =>
    context.switchToHttp().getRequest<RepeatableRequest>().isRepetition ?? false,
);
