import { ApiProperty } from '@nestjs/swagger';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName } from '../uploads/upload.schema.js';

export class QueueOverview {
  @ApiProperty({ enum: STAGES, example: 'transcription' }) stage!: StageName;
  @ApiProperty({ description: 'Waiting.', example: 4 }) due!: number;
  @ApiProperty({ example: 2 }) processing!: number;
  @ApiProperty({ example: 1 }) failed!: number;
  @ApiProperty({
    description: 'Of the one that waits the longest, through every try that failed; 0 when none waits.',
    example: 1.2,
  })
  oldest_wait_seconds!: number;
}

export class StageOverview {
  @ApiProperty({ enum: STAGES, example: 'transcription' }) stage!: StageName;
  @ApiProperty({ description: 'Ended well in the window.', example: 998 }) done!: number;
  @ApiProperty({ description: 'Failed for good in the window.', example: 2 }) failed!: number;
  @ApiProperty({ description: 'Attempts that were tried again, or lost with their worker.', example: 7 })
  tried_again!: number;
  @ApiProperty({ type: Number, nullable: true, description: 'done / (done + failed).', example: 0.998 })
  success_rate!: number | null;
  @ApiProperty({
    type: Number,
    nullable: true,
    description: 'Median time of an attempt that ended well.',
    example: 2.1,
  })
  p50_seconds!: number | null;
  @ApiProperty({ type: Number, nullable: true, example: 6.4 }) p95_seconds!: number | null;
  @ApiProperty({ description: 'Attempts that the two are made of: the latest, at most 1,000.', example: 998 })
  sampled!: number;
}

export class FailureOverview {
  @ApiProperty({ description: 'A stage, or `upload`: never arrived whole.', example: 'transcription' }) stage!: string;
  @ApiProperty({ example: 'audio_undecodable' }) code!: string;
  @ApiProperty({ description: 'Attempts that ended so.', example: 9 }) attempts!: number;
  @ApiProperty({ description: 'Of these, the last ones.', example: 2 }) final!: number;
}

export class StoreOverview {
  @ApiProperty({
    enum: ['gridfs', 'gridfs_archive', 's3'],
    description: '`gridfs`: where all audio arrives. The others: what is kept, named where there is any.',
    example: 'gridfs',
  })
  store!: string;
  @ApiProperty({ example: 12 }) files!: number;
  @ApiProperty({ example: 578556 }) bytes!: number;
}

export class DatabaseOverview {
  @ApiProperty({ description: 'On disk, with indexes.', example: 73400320 }) bytes!: number;
}

export class HourOverview {
  @ApiProperty({
    type: String,
    format: 'date-time',
    description: 'When the hour began.',
    example: '2026-05-04T09:00:00Z',
  })
  from!: Date;
  @ApiProperty({ enum: STAGES, example: 'transcription' }) stage!: StageName;
  @ApiProperty({ example: 42 }) done!: number;
  @ApiProperty({ example: 0 }) failed!: number;
}

export class DeadLetterCounts {
  @ApiProperty({ example: 1 }) open!: number;
  @ApiProperty({ example: 0 }) expired!: number;
}

export class WorkersOverview {
  @ApiProperty({ type: Number, nullable: true, description: 'Null while Redis is away.', example: 2 })
  alive!: number | null;
}

export class Overview {
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:31:02.120Z' }) at!: Date;
  @ApiProperty({ description: 'What `stages`, `failures` and `hours` look back at.', example: 24 })
  window_hours!: number;
  @ApiProperty({
    type: Number,
    nullable: true,
    description: 'Of all stages that came to an end in the window; null when none did.',
    example: 0.998,
  })
  success_rate!: number | null;
  @ApiProperty({ type: [QueueOverview] }) queues!: QueueOverview[];
  @ApiProperty({ type: [StageOverview] }) stages!: StageOverview[];
  @ApiProperty({ type: [FailureOverview], description: 'Most frequent first.' }) failures!: FailureOverview[];
  @ApiProperty({ type: [HourOverview], description: 'Throughput; hours in which nothing ended are left out.' })
  hours!: HourOverview[];
  @ApiProperty({ type: DeadLetterCounts }) dead_letters!: DeadLetterCounts;
  @ApiProperty({ type: [StoreOverview] }) storage!: StoreOverview[];
  @ApiProperty({ type: DatabaseOverview, nullable: true, description: 'Null where the engine cannot say.' })
  database!: DatabaseOverview | null;
  @ApiProperty({ type: WorkersOverview }) workers!: WorkersOverview;
}
