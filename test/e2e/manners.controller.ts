import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  NotFoundException,
  Param,
  Post,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsOptional,
  IsString,
  Length,
  Matches,
  Min,
  MinLength,
  ValidateIf,
} from 'class-validator';
import type { Response } from 'express';
import { CurrentUser, Public, Roles } from '../../src/auth/auth.decorators.js';
import type { User } from '../../src/auth/user.js';
import { ApiErrors } from '../../src/common/api-errors.decorator.js';
import { AppError, ConflictError, NotFoundError } from '../../src/common/app-error.js';
import { correlationId } from '../../src/common/correlation.js';
import { IsDecimal, IsFlag, IsWhole } from '../../src/common/lax.decorators.js';
import { IsListOf } from '../../src/common/list-of.decorator.js';
import { ListQuery } from '../../src/common/list-query.dto.js';
import { PathId, PathObjectId, PathUuid } from '../../src/common/path-id.js';

class QuestionDto {
  @ApiProperty({ example: 'q1', pattern: '^[a-z0-9]+$' })
  @IsString()
  @Matches(/^[a-z0-9]+$/)
  id!: string;

  @ApiPropertyOptional({ example: 2, nullable: true, type: Number })
  @IsOptional()
  @IsDecimal()
  weight?: number | null;
}

class InterviewDto {
  @ApiProperty({ example: 'First round', minLength: 1, maxLength: 20 })
  @IsString()
  @Length(1, 20)
  title!: string;

  @ApiPropertyOptional({ enum: ['en', 'de'], example: 'en' })
  @IsOptional()
  @IsIn(['en', 'de'])
  language?: string;

  @ApiPropertyOptional({ example: true })
  @IsOptional()
  @IsFlag()
  keep?: boolean;

  @ApiPropertyOptional({ example: 3 })
  @IsOptional()
  @IsWhole()
  @Min(1)
  rounds?: number;

  @ApiPropertyOptional({ type: [String], example: ['remote'] })
  @ValidateIf((_, value) => value !== undefined)
  @IsArray()
  @ArrayMaxSize(3)
  @IsString({ each: true })
  @MinLength(1, { each: true })
  tags?: string[];

  @ApiProperty({ type: [QuestionDto] })
  @IsListOf(() => QuestionDto)
  questions!: QuestionDto[];
}

class FilterQuery extends ListQuery {
  @ApiPropertyOptional({ example: true })
  @IsOptional()
  @IsFlag()
  dry_run?: boolean;
}

export class EchoDto {
  @ApiProperty({ example: 'alice', type: String, nullable: true })
  value!: unknown;
}

const errors: Record<string, () => Error> = {
  bad_request: () => new AppError('bad_request', 'x', 'That makes no sense'),
  not_found: () => new NotFoundError('Session'),
  nest_not_found: () => new NotFoundException('No such thing'),
  conflict: () => new ConflictError('x', 'Already done'),
  too_large: () => new AppError('too_large', 'x', 'Too large'),
  unsupported: () => new AppError('unsupported_media_type', 'x', 'Not audio'),
  rate_limited: () => new AppError('rate_limited', 'x', 'Slowly', { retryAfter: 7 }),
  upstream: () => new AppError('upstream', 'x', 'The other side failed'),
  unavailable: () => new AppError('unavailable', 'x', 'Not now'),
  mongo: () => Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:27017'), { name: 'MongoServerSelectionError' }),
  not_primary: () => Object.assign(new Error('not primary'), { name: 'MongoServerError', code: 10107 }),
  nest_500: () => new HttpException('the password is hunter2', 500),
  bug: () => new TypeError('secret internals of /etc/passwd'),
};

/** Routes that behave, and misbehave, in every way the manners cover. */
@ApiTags('answers')
@Controller('api')
export class MannersController {
  @Post('interviews')
  @HttpCode(201)
  @ApiOperation({ summary: 'Takes an interview' })
  @ApiOkResponse({ type: EchoDto })
  @ApiErrors(401, 409)
  createInterview(@Body() body: InterviewDto): EchoDto {
    return { value: body };
  }

  @Get('interviews')
  @ApiOperation({ summary: 'Lists' })
  @ApiOkResponse({ type: EchoDto })
  listInterviews(@Query() query: FilterQuery): EchoDto {
    return { value: query };
  }

  @Post('upload-answer/:session_id/:question_id')
  @HttpCode(200)
  @ApiOperation({ summary: 'Takes ids' })
  @ApiOkResponse({ type: EchoDto })
  uploadAnswer(@PathId('session_id') session: string, @PathId('question_id') question: string): EchoDto {
    return { value: [session, question] };
  }

  @Get('uploads/:upload_id')
  @ApiOperation({ summary: 'Takes an ObjectId' })
  @ApiOkResponse({ type: EchoDto })
  oneUpload(@PathObjectId('upload_id') id: string): EchoDto {
    return { value: id };
  }

  @Put('recordings/:recording_id')
  @ApiOperation({ summary: 'Takes a UUID' })
  @ApiOkResponse({ type: EchoDto })
  putRecording(@PathUuid('recording_id') id: string): EchoDto {
    return { value: id };
  }

  @Get('me')
  @ApiOperation({ summary: 'Who calls' })
  @ApiOkResponse({ type: EchoDto })
  me(@CurrentUser() user: User): EchoDto {
    return { value: user };
  }

  @Roles('admin')
  @Get('admin-only')
  @ApiOperation({ summary: 'For admins' })
  @ApiOkResponse({ type: EchoDto })
  adminOnly(): EchoDto {
    return { value: 'yes' };
  }

  @Public()
  @Post('correlation')
  @HttpCode(200)
  @ApiOperation({ summary: 'The id that the handler sees' })
  @ApiOkResponse({ type: EchoDto })
  async correlation(): Promise<EchoDto> {
    await new Promise((resolve) => setImmediate(resolve));
    return { value: correlationId() };
  }

  @Public()
  @Get('errors/:kind')
  @ApiOperation({ summary: 'Fails' })
  @ApiParam({ name: 'kind', schema: { type: 'string', examples: ['bug'] } })
  @ApiOkResponse({ type: EchoDto })
  fail(@Param('kind') kind: string): EchoDto {
    throw errors[kind]?.() ?? new Error('no such kind');
  }

  @Public()
  @Get('half')
  @ApiOperation({ summary: 'Fails in the middle of its answer' })
  @ApiOkResponse({ type: EchoDto })
  half(@Res() response: Response): void {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('half');
    throw new Error('broke');
  }
}
