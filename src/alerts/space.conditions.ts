import { hostname } from 'node:os';
import { statfs } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { InjectConnection } from '@nestjs/mongoose';
import type { Connection } from 'mongoose';
import { databaseSpace } from '../common/database-space.js';
import { Config } from '../config/config.js';
import type { Condition } from './condition.js';

/** What begins the id of an alert that only one machine can look at. */
export const OF_A_HOST = 'space_low:';

/** How much space is left: on the disk of this process, which nobody else sees, and on that of MongoDB. */
@Injectable()
export class SpaceConditions {
  constructor(
    @InjectConnection() private readonly connection: Connection,
    private readonly config: Config,
  ) {}

  async ofThisHost(): Promise<Condition[]> {
    const { bavail, blocks } = await statfs(this.config.DATA_DIR);
    const host = hostname();
    return [this.condition(`${OF_A_HOST}${host}`, `of the disk of ${host}, under DATA_DIR,`, bavail, blocks)];
  }

  /** None where the engine cannot say. */
  async ofDatabase(): Promise<Condition[]> {
    const space = await databaseSpace(this.connection);
    return space ? [this.condition('database_space_low', 'of the disk of MongoDB', space.free, space.size)] : [];
  }

  private condition(id: string, what: string, free: number, all: number): Condition {
    const threshold = this.config.ALERT_SPACE_PERCENT;
    const value = all > 0 ? Math.round((1000 * free) / all) / 10 : 100;
    const summary = `${value} % ${what} is free`;
    return {
      id,
      severity: 'critical',
      summary,
      value,
      threshold,
      holds: value < threshold,
      forS: this.config.ALERT_HOLD_S,
    };
  }
}
