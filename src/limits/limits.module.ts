import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastRedis } from '../common/redis.js';
import { Config } from '../config/config.js';
import { Limits } from './limits.js';
import { LimitsGuard } from './limits.guard.js';

/** Rate limits on every route. Import it after `AuthModule`: its guard needs to know the user. */
@Global()
@Module({
  providers: [
    { provide: FastRedis, useFactory: (config: Config) => new FastRedis(config), inject: [Config] },
    Limits,
    { provide: APP_GUARD, useClass: LimitsGuard },
  ],
  exports: [Limits, FastRedis],
})
export class LimitsModule {}
