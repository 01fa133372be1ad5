import { ApiProperty } from '@nestjs/swagger';
import type { CheckResult, HealthReport } from '../common/health.js';

export class LivenessDto {
  @ApiProperty({ example: 'alive' })
  status!: string;
}

export class HealthReportDto implements HealthReport {
  @ApiProperty({ enum: ['ready', 'degraded', 'unavailable'], example: 'ready' })
  status!: 'ready' | 'degraded' | 'unavailable';

  @ApiProperty({
    type: 'object',
    description: 'State of each dependency by its name.',
    additionalProperties: {
      type: 'object',
      required: ['state', 'required', 'duration_ms'],
      properties: {
        state: { type: 'string', enum: ['up', 'down'] },
        required: { type: 'boolean' },
        duration_ms: { type: 'number' },
        reason: { type: 'string' },
      },
    },
    example: {
      mongodb: { state: 'up', required: true, duration_ms: 1.2 },
      redis: { state: 'down', required: false, duration_ms: 0.3, reason: 'not connected' },
    },
  })
  checks!: Record<string, CheckResult>;
}
