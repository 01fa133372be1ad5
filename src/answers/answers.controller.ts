import { Body, Controller, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiExtraModels,
  ApiHeader,
  ApiOperation,
  ApiResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentUser } from '../auth/auth.decorators.js';
import type { User } from '../auth/user.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { matchesEtag } from '../common/etag.js';
import { PathId } from '../common/path-id.js';
import { ApiIdempotencyKey, Idempotent } from '../idempotency/idempotent.decorator.js';
import { UploadLimit } from '../limits/limits.guard.js';
import { AnalyzeService } from './analyze.service.js';
import {
  AnalysisDone,
  AnalysisPending,
  AudioUpload,
  QuestionStatus,
  SessionStatus,
  TextAnswer,
  TextAnswerAccepted,
  UploadAccepted,
} from './answer.dto.js';
import { AnswersService } from './answers.service.js';
import { StatusService } from './status.service.js';

@ApiTags('answers')
@ApiExtraModels(AnalysisDone, AnalysisPending, QuestionStatus)
@Controller('api')
export class AnswersController {
  constructor(
    private readonly answers: AnswersService,
    private readonly statuses: StatusService,
    private readonly analysis: AnalyzeService,
  ) {}

  @Post('upload-answer/:session_id/:question_id')
  @HttpCode(200)
  @UploadLimit()
  @ApiIdempotencyKey()
  @ApiHeader({
    name: 'Repr-Digest',
    required: false,
    description: 'RFC 9530 digest of the audio file, checked against what arrived.',
    schema: { type: 'string' },
    example: 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:',
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: AudioUpload })
  @ApiOperation({ summary: 'Send the spoken answer to a question' })
  @ApiResponse({ status: 200, type: UploadAccepted })
  @ApiErrors(400, 401, 404, 409, 413, 415, 429, 503, 507)
  async uploadAnswer(
    @CurrentUser() user: User,
    @PathId('session_id') sessionId: string,
    @PathId('question_id') questionId: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadAccepted> {
    return this.answers.uploadAudio(user.id, sessionId, questionId, request, response);
  }

  @Post('text-answer/:session_id/:question_id')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'Write the answer to a question' })
  @ApiResponse({ status: 200, type: TextAnswerAccepted })
  @ApiErrors(401, 404, 409, 503)
  async textAnswer(
    @CurrentUser() user: User,
    @PathId('session_id') sessionId: string,
    @PathId('question_id') questionId: string,
    @Body() { text }: TextAnswer,
  ): Promise<TextAnswerAccepted> {
    return this.answers.writeText(user.id, sessionId, questionId, text);
  }

  @Get('transcription-status/:session_id/:question_id')
  @ApiOperation({ summary: 'How far the answer to a question is' })
  @ApiResponse({ status: 200, type: QuestionStatus })
  @ApiErrors(401, 404)
  async transcriptionStatus(
    @CurrentUser() user: User,
    @PathId('session_id') sessionId: string,
    @PathId('question_id') questionId: string,
  ): Promise<QuestionStatus> {
    return this.statuses.ofQuestion(user.id, sessionId, questionId);
  }

  @Get('transcription-status/:session_id')
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    schema: { type: 'string' },
    example: '"65abc123def4567890abcdef-7"',
  })
  @ApiOperation({ summary: 'How far all answers of an interview are' })
  @ApiResponse({
    status: 200,
    type: SessionStatus,
    headers: { ETag: { description: 'Changes with the session.', schema: { type: 'string' } } },
  })
  @ApiResponse({ status: 304, description: 'Nothing changed since the ETag that was sent.' })
  @ApiErrors(401, 404)
  async sessionTranscriptionStatus(
    @CurrentUser() user: User,
    @PathId('session_id') sessionId: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string | undefined> {
    const { etag, json } = await this.statuses.ofSession(user.id, sessionId);
    response.setHeader('ETag', etag);
    response.setHeader('Cache-Control', 'private, no-cache');
    if (matchesEtag(request.headers['if-none-match'], etag)) {
      response.status(304);
      return undefined;
    }
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    return json;
  }

  @Post('analyze/:session_id')
  @HttpCode(200)
  @ApiOperation({ summary: 'The score of an interview, or what it still waits for' })
  @ApiResponse({
    status: 200,
    description: 'Scored, or still waiting (`status` tells which; then with `Retry-After`).',
    headers: { 'Retry-After': { description: 'Seconds, while waiting.', schema: { type: 'integer' } } },
    content: {
      'application/json': {
        schema: { oneOf: [{ $ref: getSchemaPath(AnalysisDone) }, { $ref: getSchemaPath(AnalysisPending) }] },
      },
    },
  })
  @ApiErrors(401, 404, 409)
  async analyze(
    @CurrentUser() user: User,
    @PathId('session_id') sessionId: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AnalysisDone | AnalysisPending> {
    const result = await this.analysis.analyze(user.id, sessionId);
    if (result.status === 'transcription_pending') response.setHeader('Retry-After', String(result.retry_after));
    return result;
  }
}
