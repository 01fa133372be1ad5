import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { User } from '../auth/user.js';

/** Who acts, and from where. */
export interface Actor {
  readonly user_id: string;
  /** As `TRUST_PROXY` lets it be known. */
  readonly ip: string | null;
}

/** The caller as an `Actor`. Only on routes that are not `@Public()`. */
export const CurrentActor = createParamDecorator((_data: unknown, context: ExecutionContext): Actor => {
  const request = context.switchToHttp().getRequest<Request & { user: User }>();
  return { user_id: request.user.id, ip: request.ip ?? null };
});
