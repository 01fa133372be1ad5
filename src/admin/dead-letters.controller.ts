import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type Actor, CurrentActor } from '../audit/actor.decorator.js';
import { Roles } from '../auth/auth.decorators.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { PathObjectId } from '../common/path-id.js';
import { Idempotent } from '../idempotency/idempotent.decorator.js';
import { DeadLetterPage, DeadLetterQuery, DeadLetterView, RetriedMany, RetryMany } from './dead-letter.dto.js';
import { DeadLetters } from './dead-letters.service.js';
import { QueuedAgain } from './queued-again.dto.js';

@ApiTags('admin')
@Roles('admin')
@Controller('api/admin/dead-letters')
export class DeadLettersController {
  constructor(private readonly letters: DeadLetters) {}

  @Get()
  @ApiOperation({ summary: 'Stages that failed for good, with every attempt' })
  @ApiResponse({ status: 200, type: DeadLetterPage })
  @ApiErrors(401, 403)
  async listDeadLetters(@Query() query: DeadLetterQuery): Promise<DeadLetterPage> {
    return this.letters.list(query);
  }

  @Post('retry')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'Try those that match again, a bounded number per call' })
  @ApiResponse({ status: 200, type: RetriedMany })
  @ApiErrors(401, 403, 409)
  async retryDeadLetters(@CurrentActor() actor: Actor, @Body() body: RetryMany): Promise<RetriedMany> {
    return this.letters.retryMany(actor, body);
  }

  @Post(':upload_id/retry')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'Try one again' })
  @ApiResponse({ status: 200, type: QueuedAgain })
  @ApiErrors(401, 403, 404, 409)
  async retryDeadLetter(@CurrentActor() actor: Actor, @PathObjectId('upload_id') id: string): Promise<QueuedAgain> {
    return this.letters.retry(actor, id);
  }

  @Delete(':upload_id')
  @ApiOperation({
    summary: 'Dismiss one: nothing more is to come of it; audio of a failed transcription goes with the cleanup',
  })
  @ApiResponse({ status: 200, type: DeadLetterView })
  @ApiErrors(401, 403, 404, 409)
  async dismissDeadLetter(
    @CurrentActor() actor: Actor,
    @PathObjectId('upload_id') id: string,
  ): Promise<DeadLetterView> {
    return this.letters.dismiss(actor, id);
  }
}
