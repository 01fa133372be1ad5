import { Controller, Get, Header } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Roles } from '../auth/auth.decorators.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { Overview } from './overview.dto.js';
import { OverviewService } from './overview.service.js';

@ApiTags('admin')
@Roles('admin')
@Controller('api/admin/overview')
export class OverviewController {
  constructor(private readonly overview: OverviewService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'What waits, what fails, how fast it goes, what it takes up' })
  @ApiResponse({ status: 200, type: Overview })
  @ApiErrors(401, 403)
  async readOverview(): Promise<Overview> {
    return this.overview.read();
  }
}
