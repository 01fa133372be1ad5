import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger';
import { IsOptional, IsString, Matches } from 'class-validator';
import { type Actor, CurrentActor } from '../audit/actor.decorator.js';
import { Audit } from '../audit/audit.js';
import { Roles } from '../auth/auth.decorators.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { IsFlag } from '../common/lax.decorators.js';
import { Idempotent } from '../idempotency/idempotent.decorator.js';
import { CATEGORIES } from './finding.js';
import { RepairService } from './repair.service.js';
import type { RepairReport } from './repair.service.js';

const ID = '65abc123def4567890abcdef';
const ACTIONS = ['quarantined', 'failed', 'finished', 'left', 'unchanged'];

export class RepairRequest {
  @ApiProperty({ pattern: '^[0-9a-fA-F]{24}$', description: 'Of a verification.', example: ID })
  @IsString()
  @Matches(/^[0-9a-fA-F]{24}$/)
  plan_id!: string;

  @ApiPropertyOptional({ default: false, description: 'Say what would be done, and do nothing.', example: true })
  @IsOptional()
  @IsFlag()
  dry_run?: boolean;
}

export class RepairResultView {
  @ApiProperty({ enum: CATEGORIES, example: 'files_without_records' }) category!: string;
  @ApiProperty({ type: String, nullable: true, example: ID }) upload_id!: string | null;
  @ApiProperty({ type: String, nullable: true, example: ID }) file_id!: string | null;
  @ApiProperty({
    enum: ACTIONS,
    description:
      '`quarantined`: deleted after the quarantine, if still unwanted. `failed`: the row says that its audio is lost. ' +
      '`finished`: what was cut short went on. `left`: for a person to decide, or still stuck, or failed. ' +
      '`unchanged`: nothing is wrong any more.',
    example: 'quarantined',
  })
  action!: string;
}

export class RepairCountsView {
  @ApiProperty({ example: 1 }) quarantined!: number;
  @ApiProperty({ example: 0 }) failed!: number;
  @ApiProperty({ example: 0 }) finished!: number;
  @ApiProperty({ example: 0 }) left!: number;
  @ApiProperty({ example: 0 }) unchanged!: number;
}

export class RepairReportView {
  @ApiProperty({ example: ID }) plan_id!: string;
  @ApiProperty({ example: false }) dry_run!: boolean;
  @ApiProperty({ type: RepairCountsView, description: 'Those that are not named counted too.' })
  counts!: RepairCountsView;
  @ApiProperty({ type: [RepairResultView], description: 'At most 1,000 are named.' }) results!: RepairResultView[];
}

@ApiTags('admin')
@Roles('admin')
@Controller('api/admin/content')
export class RepairController {
  constructor(
    private readonly repairing: RepairService,
    private readonly audit: Audit,
  ) {}

  @Post('repair')
  @HttpCode(200)
  @Idempotent()
  @ApiOperation({ summary: 'Put right what a verification found' })
  @ApiResponse({ status: 200, type: RepairReportView })
  @ApiErrors(401, 403, 404, 409)
  async repairContent(
    @CurrentActor() actor: Actor,
    @Body() { plan_id, dry_run = false }: RepairRequest,
  ): Promise<RepairReport> {
    return this.audit.act(
      actor,
      { action: 'content.repair', target: plan_id, details: { dry_run } },
      () => this.repairing.repair(plan_id, dry_run),
      ({ counts }) => ({ ...counts }),
    );
  }
}
