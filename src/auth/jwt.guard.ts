import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { AppError } from '../common/app-error.js';
import { PUBLIC, ROLES } from './auth.decorators.js';
import { pageCookieToken } from './page-cookie.js';
import { notAuthenticated, TokenVerifier } from './token.verifier.js';
import type { User } from './user.js';

const BEARER = /^Bearer +(\S+) *$/i;

/** The token of the `Authorization` header; undefined without one. */
export function bearerToken(request: Request): string | undefined {
  return BEARER.exec(request.headers.authorization ?? '')?.[1];
}

/** Lets in whoever brings a good token and has the role a route asks for. Global; `@Public()` opts out. */
@Injectable()
export class JwtGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly verifier: TokenVerifier,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, places)) return true;
    const roles = this.reflector.getAllAndOverride<string[] | undefined>(ROLES, places);
    const request = context.switchToHttp().getRequest<Request & { user?: User }>();
    const token = bearerToken(request) ?? pageCookieToken(request);
    if (token === undefined) throw notAuthenticated();
    // Awaiting what is already known would cost each request a turn of the microtask queue.
    const user = this.verifier.verify(token);
    return user instanceof Promise
      ? user.then((checked) => admit(request, checked, roles))
      : admit(request, user, roles);
  }
}

function admit(request: { user?: User }, user: User, roles: string[] | undefined): boolean {
  request.user = user;
  if (roles && !roles.some((role) => user.roles.includes(role))) {
    throw new AppError('forbidden', 'role_missing', 'Not enough permissions');
  }
  return true;
}
