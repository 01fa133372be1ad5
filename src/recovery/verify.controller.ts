import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Roles } from '../auth/auth.decorators.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { IsFlag } from '../common/lax.decorators.js';
import { VerifyService } from './verify.service.js';
import type { VerifyReport } from './verify.service.js';
import { VerifyReportView } from './verify.dto.js';

export class VerifyQuery {
  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    description: 'Read and hash every stored file too.',
    example: false,
  })
  @IsFlag()
  deep: boolean = false;
}

@ApiTags('admin')
@Roles('admin')
@Controller('api/admin/content')
export class VerifyController {
  constructor(private readonly verifying: VerifyService) {}

  @Get('verify')
  @ApiOperation({ summary: 'Compare the ledger with the stored bytes' })
  @ApiResponse({ status: 200, type: VerifyReportView })
  @ApiErrors(401, 403, 503)
  async verifyContent(@Query() { deep }: VerifyQuery): Promise<VerifyReport> {
    return this.verifying.verify(deep);
  }
}
