import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { HealthRegistry } from './health.js';
import { Log } from './logging.js';
import { Metrics } from './metrics.js';

/** What every feature may ask for: log, metrics, health registry. Needs `Config` from a global module. */
@Global()
@Module({
  providers: [
    { provide: Log, useFactory: (config: Config) => new Log(config), inject: [Config] },
    Metrics,
    HealthRegistry,
  ],
  exports: [Log, Metrics, HealthRegistry],
})
export class CommonModule {}
