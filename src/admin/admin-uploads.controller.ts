import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type Actor, CurrentActor } from '../audit/actor.decorator.js';
import { Roles } from '../auth/auth.decorators.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { PathObjectId } from '../common/path-id.js';
import { Idempotent } from '../idempotency/idempotent.decorator.js';
import { AdminUploadPage, AdminUploadQuery, FailedByHand, FailUpload } from './admin-upload.dto.js';
import { AdminUploads } from './admin-uploads.service.js';
import { QueuedAgain } from './queued-again.dto.js';

@ApiTags('admin')
@Roles('admin')
@Controller('api/admin/uploads')
export class AdminUploadsController {
  constructor(private readonly uploads: AdminUploads) {}

  @Get()
  @ApiOperation({ summary: "Everybody's uploads, newest first" })
  @ApiResponse({ status: 200, type: AdminUploadPage })
  @ApiErrors(401, 403)
  async searchUploads(@Query() query: AdminUploadQuery): Promise<AdminUploadPage> {
    return this.uploads.search(query);
  }

  @Post(':upload_id/requeue')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'Make what failed, waits or is stuck due now' })
  @ApiResponse({ status: 200, type: QueuedAgain })
  @ApiErrors(401, 403, 404, 409)
  async requeueUpload(@CurrentActor() actor: Actor, @PathObjectId('upload_id') id: string): Promise<QueuedAgain> {
    return this.uploads.requeue(actor, id);
  }

  @Post(':upload_id/fail')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'End what waits or is worked on' })
  @ApiResponse({ status: 200, type: FailedByHand })
  @ApiErrors(401, 403, 404, 409)
  async failUpload(
    @CurrentActor() actor: Actor,
    @PathObjectId('upload_id') id: string,
    @Body() { reason }: FailUpload,
  ): Promise<FailedByHand> {
    return this.uploads.fail(actor, id, reason);
  }
}
