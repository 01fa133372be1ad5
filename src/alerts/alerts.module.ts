import { Module } from '@nestjs/common';
import { MongooseModule } from '@nestjs/mongoose';
import { QueueModule } from '../queue/queue.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { AlertConditions } from './alert.conditions.js';
import { AlertLedger } from './alert.ledger.js';
import { Alert, AlertSchema } from './alert.schema.js';
import { AlertWatch } from './alert.watch.js';
import { SpaceConditions } from './space.conditions.js';

/** What operators are told by webhook; `deploy/prometheus` has the same for those who run Prometheus. */
@Module({
  imports: [UploadsModule, QueueModule, MongooseModule.forFeature([{ name: Alert.name, schema: AlertSchema }])],
  providers: [AlertConditions, SpaceConditions, AlertLedger, AlertWatch],
  exports: [AlertWatch],
})
export class AlertsModule {}
