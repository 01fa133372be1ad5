import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { User } from './user.js';

export const PUBLIC = 'auth:public';
export const ROLES = 'auth:roles';

/** OpenAPI extension by which the document knows which operations need no token; taken out before it is served. */
export const PUBLIC_EXTENSION = 'x-public';

/** The route, or every route of the controller, needs no token. */
export const Public = () => applyDecorators(SetMetadata(PUBLIC, true), ApiExtension(PUBLIC_EXTENSION, true));

/** The route, or every route of the controller, needs one of these roles; else 403. */
export const Roles = (...roles: string[]) => SetMetadata(ROLES, roles);

/** The caller, as a `User`. Only on routes that are not `@Public()`. */
export const CurrentUser = createParamDecorator(
  (_data: unknown, context: ExecutionContext): User => context.switchToHttp().getRequest<{ user: User }>().user,
);
