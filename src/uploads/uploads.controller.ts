import { Body, Controller, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsOptional, IsString, Matches } from 'class-validator';
import type { Request, Response } from 'express';
import { CurrentUser } from '../auth/auth.decorators.js';
import type { User } from '../auth/user.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { ListQuery } from '../common/list-query.dto.js';
import { IsNameId, NAME_ID } from '../common/name-id.js';
import { PathObjectId } from '../common/path-id.js';
import { AudioReader } from './audio.reader.js';
import { sendAudio } from './send-audio.js';
import { SHOWN_STATUSES, UploadsService } from './uploads.service.js';
import type { ShownStatus } from './upload.view.js';
import { UploadCheckResult, UploadPage, UploadView } from './upload.view.js';

export class UploadQuery extends ListQuery {
  @ApiPropertyOptional({ enum: SHOWN_STATUSES, example: 'failed' })
  @IsOptional()
  @IsIn(SHOWN_STATUSES)
  status?: ShownStatus;

  @ApiPropertyOptional({ pattern: NAME_ID.source, example: 'interview-42' })
  @IsOptional()
  @IsNameId()
  session_id?: string;
}

export class UploadCheck {
  @ApiProperty({
    type: [String],
    minItems: 1,
    maxItems: 200,
    example: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(200)
  @IsString({ each: true })
  @Matches(/^[0-9a-fA-F]{64}$/, { each: true })
  sha256!: string[];
}

const AUDIO = { 'audio/*': { schema: { type: 'string', format: 'binary' } } };

@ApiTags('uploads')
@Controller('api/uploads')
export class UploadsController {
  constructor(
    private readonly uploads: UploadsService,
    private readonly audio: AudioReader,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Your uploads, newest first' })
  @ApiResponse({ status: 200, type: UploadPage })
  @ApiErrors(401)
  async listUploads(@CurrentUser() user: User, @Query() query: UploadQuery): Promise<UploadPage> {
    return this.uploads.list(user.id, query);
  }

  @Post('check')
  @HttpCode(200)
  @ApiOperation({ summary: 'Ask before sending: which of these bytes are here already' })
  @ApiResponse({ status: 200, type: UploadCheckResult })
  @ApiErrors(401)
  async checkUploads(@CurrentUser() user: User, @Body() { sha256 }: UploadCheck): Promise<UploadCheckResult> {
    return this.uploads.check(user.id, sha256);
  }

  @Get(':upload_id')
  @ApiOperation({ summary: 'An upload: its stages, attempts, times and errors' })
  @ApiResponse({ status: 200, type: UploadView })
  @ApiErrors(401, 404)
  async getUpload(@CurrentUser() user: User, @PathObjectId('upload_id') uploadId: string): Promise<UploadView> {
    return this.uploads.get(user.id, uploadId);
  }

  @Get(':upload_id/audio')
  @ApiOperation({ summary: 'The audio of an upload, while it waits and as long as it is kept' })
  @ApiHeader({ name: 'Range', required: false, schema: { type: 'string' }, example: 'bytes=0-65535' })
  @ApiResponse({ status: 200, description: 'All of it.', content: AUDIO })
  @ApiResponse({ status: 206, description: 'The range that was asked for.', content: AUDIO })
  @ApiResponse({ status: 304, description: 'It is the one of the ETag that was sent.' })
  @ApiErrors(401, 404, 416, 503)
  async getUploadAudio(
    @CurrentUser() user: User,
    @PathObjectId('upload_id') uploadId: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await sendAudio(await this.audio.find(user.id, uploadId), request, response);
  }
}
