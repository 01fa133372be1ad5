import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { Connection } from 'mongoose';
import { AppError } from '../common/app-error.js';
import { HealthRegistry } from '../common/health.js';
import { FastRedis } from '../common/redis.js';

/** Puts MongoDB and Redis into readiness. Redis is not required: answers are taken and kept without it. */
@Injectable()
export class ConnectionChecks implements OnModuleInit {
  constructor(
    private readonly health: HealthRegistry,
    @InjectConnection() private readonly connection: Connection,
    private readonly redis: FastRedis,
  ) {}

  onModuleInit(): void {
    this.health.register('mongodb', async () => {
      const database = this.connection.db;
      if (!database) throw notConnected();
      await database.command({ ping: 1 });
    });
    this.health.register(
      'redis',
      async () => {
        if (this.redis.status !== 'ready') throw notConnected();
        await this.redis.ping();
      },
      { required: false },
    );
  }
}

function notConnected(): AppError {
  return new AppError('unavailable', 'not_connected', 'not connected');
}
