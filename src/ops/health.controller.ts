import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../auth/auth.decorators.js';
import { HealthRegistry } from '../common/health.js';
import { HealthReportDto, LivenessDto } from './health.dto.js';

/** What balancers and orchestrators ask. */
@ApiTags('system')
@Public()
@Controller('health')
export class HealthController {
  constructor(private readonly health: HealthRegistry) {}

  @Get('live')
  @ApiOperation({ summary: 'Whether the process runs' })
  @ApiOkResponse({ type: LivenessDto })
  liveness(): LivenessDto {
    return { status: 'alive' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Whether the process can serve, with the state of each dependency' })
  @ApiOkResponse({ type: HealthReportDto })
  @ApiServiceUnavailableResponse({ type: HealthReportDto, description: 'A dependency that is required is down' })
  async readiness(@Res({ passthrough: true }) response: Response): Promise<HealthReportDto> {
    const report = await this.health.report();
    if (report.status === 'unavailable') response.status(503).setHeader('Retry-After', '5');
    response.setHeader('Cache-Control', 'no-store');
    return report;
  }
}
