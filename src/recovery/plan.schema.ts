import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose';
import { Schema as MongooseSchema, Types } from 'mongoose';
import type { Category, Finding } from './finding.js';

/** How long a repair can refer to what was found. */
const KEPT_S = 7 * 24 * 3600;

/** One verification, collection `verify_plans`. Its id is the `plan_id` that a repair refers to. */
@Schema({ collection: 'verify_plans', versionKey: false, autoIndex: false })
export class VerifyPlan {
  _id!: Types.ObjectId;
  @Prop({ type: Boolean }) deep!: boolean;
  @Prop({ type: Date }) started_at!: Date;
  /** Null while it runs, and for ever when it was cut short: such a plan is not to be repaired by. */
  @Prop({ type: Date }) finished_at!: Date | null;
  @Prop({ type: MongooseSchema.Types.Mixed }) counts!: Record<Category, number>;
}

export const VerifyPlanSchema = SchemaFactory.createForClass(VerifyPlan);
VerifyPlanSchema.index({ started_at: 1 }, { expireAfterSeconds: KEPT_S });

/** Everything that a verification found, collection `verify_findings`: one row each, also those that the report does not name. */
@Schema({ collection: 'verify_findings', versionKey: false, autoIndex: false })
export class PlannedFinding {
  _id!: Types.ObjectId;
  @Prop({ type: MongooseSchema.Types.ObjectId, required: true }) plan_id!: Types.ObjectId;
  @Prop({ type: Date }) found_at!: Date;
  @Prop({ type: MongooseSchema.Types.Mixed }) finding!: Finding;
}

export const PlannedFindingSchema = SchemaFactory.createForClass(PlannedFinding);
PlannedFindingSchema.index({ plan_id: 1, _id: 1 });
PlannedFindingSchema.index({ found_at: 1 }, { expireAfterSeconds: KEPT_S });
