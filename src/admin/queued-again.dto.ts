import { ApiProperty } from '@nestjs/swagger';
import { STAGES } from '../uploads/upload.schema.js';
import type { StageName } from '../uploads/upload.schema.js';

/** A stage that is due again, with all its attempts. */
export class QueuedAgain {
  @ApiProperty({ example: '65abc123def4567890abcdef' }) upload_id!: string;
  @ApiProperty({ enum: STAGES, example: 'transcription' }) stage!: StageName;
  @ApiProperty({ enum: ['due'], example: 'due' }) state!: 'due';
}
