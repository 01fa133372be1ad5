import type { Upload } from '../uploads/upload.schema.js';
import type { Ahead, StageHandler } from './stage-handler.js';

/** What a handler begins to read of a row while it is being claimed. */
export class ReadAhead {
  private ahead: Ahead | null = null;

  constructor(private readonly handler: StageHandler) {}

  /** Never throws: others are claimed with it. */
  begin(row: Upload): void {
    try {
      this.ahead = this.handler.begin(row);
    } catch {
      // `of` tries again, for the row that is ours then, and tells.
    }
  }

  /** @throws what the handler throws */
  of(row: Upload): Ahead | null {
    this.ahead ??= this.handler.begin(row);
    return this.ahead;
  }

  close(): void {
    this.ahead?.close();
  }
}
