import { Module } from '@nestjs/common';
import { MongooseModule } from '@nestjs/mongoose';
import { Audit } from './audit.js';
import { AuditEntry, AuditEntrySchema } from './audit.schema.js';

@Module({
  imports: [MongooseModule.forFeature([{ name: AuditEntry.name, schema: AuditEntrySchema }])],
  providers: [Audit],
  exports: [Audit],
})
export class AuditModule {}
