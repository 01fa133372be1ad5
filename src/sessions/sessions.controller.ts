import { Body, Controller, Delete, Get, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentUser } from '../auth/auth.decorators.js';
import type { User } from '../auth/user.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { ListQuery } from '../common/list-query.dto.js';
import { PathId } from '../common/path-id.js';
import { Idempotent } from '../idempotency/idempotent.decorator.js';
import { CreateSession, ErasureReport, SessionPage, SessionView } from './session.dto.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('api/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Post()
  @Idempotent()
  @ApiOperation({ summary: 'Start an interview' })
  @ApiResponse({ status: 201, type: SessionView })
  @ApiErrors(401, 409)
  async createSession(@CurrentUser() user: User, @Body() input: CreateSession): Promise<SessionView> {
    return this.sessions.create(user.id, input);
  }

  @Get()
  @ApiOperation({ summary: 'Your interviews, newest first' })
  @ApiResponse({ status: 200, type: SessionPage })
  @ApiErrors(401)
  async listSessions(@CurrentUser() user: User, @Query() query: ListQuery): Promise<SessionPage> {
    return this.sessions.list(user.id, query.limit, query.cursor);
  }

  @Get(':session_id')
  @ApiOperation({ summary: 'An interview with its questions and answers' })
  @ApiResponse({ status: 200, type: SessionView })
  @ApiErrors(401, 404)
  async getSession(@CurrentUser() user: User, @PathId('session_id') sessionId: string): Promise<SessionView> {
    return this.sessions.get(user.id, sessionId);
  }

  @Delete(':session_id')
  @ApiOperation({ summary: 'Erase an interview: audio, transcripts, scores' })
  @ApiResponse({ status: 200, type: ErasureReport })
  @ApiErrors(401, 404)
  async deleteSession(@CurrentUser() user: User, @PathId('session_id') sessionId: string): Promise<ErasureReport> {
    return this.sessions.erase(user.id, sessionId);
  }
}
