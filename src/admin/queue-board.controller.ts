import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Roles } from '../auth/auth.decorators.js';
import { AppError, NotFoundError } from '../common/app-error.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { BOARD_PATH, QueueBoard } from './queue-board.js';

/** Bull Board for admins, who sign in by the page cookie. GET alone: nothing can be changed by it. */
@ApiTags('admin')
@Roles('admin')
@Controller(BOARD_PATH.slice(1))
export class QueueBoardController {
  constructor(private readonly board: QueueBoard) {}

  @Get()
  @ApiOperation({ summary: 'Bull Board, read-only; sign in by POST /api/auth/cookie' })
  @ApiResponse({
    status: 200,
    description: 'The page.',
    content: { 'text/html': { schema: { type: 'string' }, example: '<!DOCTYPE html><html lang="en">…</html>' } },
  })
  @ApiErrors(401, 403, 503)
  async queueBoard(@Req() request: Request, @Res() response: Response): Promise<void> {
    await this.show(request, response);
  }

  @Get('*path')
  @ApiExcludeEndpoint()
  async queueBoardFiles(@Req() request: Request, @Res() response: Response): Promise<void> {
    await this.show(request, response);
  }

  private async show(request: Request, response: Response): Promise<void> {
    const path = request.originalUrl.slice(BOARD_PATH.length);
    if (path.startsWith('/api/') && !this.board.isReachable) {
      throw new AppError('unavailable', 'redis_away', 'Redis cannot be reached at the moment', { retryable: true });
    }
    // Its files are found by a base address.
    const policy = String(response.getHeader('Content-Security-Policy')).replace("base-uri 'none'", "base-uri 'self'");
    response.setHeader('Content-Security-Policy', policy);
    // Metrics and log name the route by ours, not by those inside.
    const { route } = request as { route: unknown };
    Object.defineProperty(request, 'route', { get: () => route, set: () => undefined });
    request.url = path.startsWith('/') ? path : `/${path}`;
    await new Promise<void>((resolve, reject) => {
      response.once('close', resolve);
      this.board.application(request, response, (error?: unknown) => {
        reject(error instanceof Error ? error : new NotFoundError('Page'));
      });
    });
  }
}
