import { Global, Module } from '@nestjs/common';
import { Idempotency } from './idempotency.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';

/** `Idempotency` and `@Idempotent()` for every feature. Needs the MongoDB connection. */
@Global()
@Module({ providers: [Idempotency, IdempotencyInterceptor], exports: [Idempotency, IdempotencyInterceptor] })
export class IdempotencyModule {}
