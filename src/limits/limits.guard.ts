import { applyDecorators, type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';
import type { Response } from 'express';
import { type LimitName, Limits, rateLimitHeaders } from './limits.js';

const UPLOAD_LIMIT = 'limits:upload';
/** Marks an operation in the raw document, which is taken out again in the finished one. */
export const LIMITED_EXTENSION = 'x-limited';

/** The route begins an upload: it counts against `UPLOADS_PER_MINUTE`, before its body is read. */
export const UploadLimit = () =>
  applyDecorators(SetMetadata(UPLOAD_LIMIT, true), ApiExtension(LIMITED_EXTENSION, true));

/** Refuses with 429 who did too much in this minute. Global, after the guard that knows the user. */
@Injectable()
export class LimitsGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly limits: Limits,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const isUpload = this.reflector.get<boolean | undefined>(UPLOAD_LIMIT, context.getHandler()) ?? false;
    const names: LimitName[] = [];
    if (this.limits.has('requests')) names.push('requests');
    if (isUpload && this.limits.has('uploads')) names.push('uploads');
    if (names.length === 0) return true;
    const http = context.switchToHttp();
    const { user } = http.getRequest<{ user?: { id: string } }>();
    return user ? this.take(names, user.id, http.getResponse<Response>()) : true;
  }

  private async take(names: LimitName[], userId: string, response: Response): Promise<boolean> {
    for (const name of names) {
      const state = await this.limits.take(name, userId);
      if (!state) continue;
      // Several limits are members of one list (RFC 9651), so that neither hides the other.
      for (const [header, value] of Object.entries(rateLimitHeaders(name, state))) response.append(header, value);
    }
    return true;
  }
}
