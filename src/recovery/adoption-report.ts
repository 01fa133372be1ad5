import type { Upload } from '../uploads/upload.schema.js';

/** What a report names; the counts go on. */
const MOST_NAMED = 1000;

/** Something that was not adopted, and why. */
export interface LeftAlone {
  session_id: string;
  question_id?: string;
  file_id?: string;
  reason: string;
}

/** What an adoption did, or would do. */
export class AdoptionReport {
  sessions = 0;
  readonly answers = {
    /** Are transcribed now. */
    queued: 0,
    completed: 0,
    /** Of the completed ones, those that are scored now. */
    to_score: 0,
    failed: 0,
  };
  /** Unique indexes of the service before this one that would refuse our sessions. */
  readonly dropped_indexes: string[] = [];
  left_count = 0;
  readonly left: LeftAlone[] = [];

  constructor(readonly dry_run: boolean) {}

  /** @param isNew false for a session that an earlier run, cut short, or an earlier pass has counted */
  count(rows: readonly Upload[], isNew: boolean): void {
    if (isNew) this.sessions += 1;
    for (const { stages } of rows) {
      const state = stages.transcription?.state;
      if (state === 'due') this.answers.queued += 1;
      else if (state === 'failed') this.answers.failed += 1;
      else this.answers.completed += 1;
      if (stages.analysis?.state === 'due') this.answers.to_score += 1;
    }
  }

  leave(what: LeftAlone): void {
    this.left_count += 1;
    if (this.left.length < MOST_NAMED) this.left.push(what);
  }
}
