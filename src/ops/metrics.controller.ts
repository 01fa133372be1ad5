import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../auth/auth.decorators.js';
import { Metrics } from '../common/metrics.js';

const EXPOSITION_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';

/** What Prometheus scrapes. */
@ApiTags('system')
@Public()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Header('Content-Type', EXPOSITION_FORMAT)
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Metrics in the Prometheus text format' })
  @ApiOkResponse({
    description: 'Prometheus text format 0.0.4',
    content: {
      'text/plain': {
        schema: { type: 'string' },
        example:
          '# TYPE vivavoce_uploads_total counter\nvivavoce_uploads_total{outcome="committed",kind="answer"} 12\n',
      },
    },
  })
  scrape(): Promise<string> {
    return this.metrics.expose();
  }
}
