import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { decodeJwt } from 'jose';
import { AppError } from '../common/app-error.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { Config } from '../config/config.js';
import { bearerToken } from './jwt.guard.js';
import { LONGEST_TOKEN, PAGE_COOKIE, PAGES_PATH } from './page-cookie.js';

const LONGEST_MS = 8 * 3_600_000;

export class PageCookie {
  @ApiProperty({ description: 'Where the cookie is good, for GET alone.', example: '/admin' }) path!: string;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T17:31:02.000Z' }) expires_at!: Date;
}

/** Sign-in of pages that a browser opens by itself, such as Bull Board. */
@ApiTags('admin')
@Controller('api/auth')
export class PageCookieController {
  constructor(private readonly config: Config) {}

  @Post('cookie')
  @HttpCode(200)
  @ApiOperation({ summary: 'Swap the token for a cookie that opens the pages under /admin' })
  @ApiResponse({
    status: 200,
    type: PageCookie,
    headers: {
      'Set-Cookie': { description: 'HttpOnly, SameSite=Strict, Path=/admin.', schema: { type: 'string' } },
    },
  })
  @ApiErrors(401, 413)
  setPageCookie(@Req() request: Request, @Res({ passthrough: true }) response: Response): PageCookie {
    // The guard has checked it, and takes no cookie here.
    const token = bearerToken(request) ?? '';
    if (token.length > LONGEST_TOKEN) {
      throw new AppError(
        'too_large',
        'token_too_large',
        `The token is longer than the ${LONGEST_TOKEN} bytes of a cookie`,
      );
    }
    const { exp } = decodeJwt(token);
    const expires = new Date(Math.min(Date.now() + LONGEST_MS, exp === undefined ? Infinity : exp * 1000));
    response.cookie(PAGE_COOKIE, token, {
      path: PAGES_PATH,
      httpOnly: true,
      sameSite: 'strict',
      secure: request.secure || this.config.NODE_ENV === 'production',
      expires,
    });
    response.setHeader('Cache-Control', 'no-store');
    return { path: PAGES_PATH, expires_at: expires };
  }
}
