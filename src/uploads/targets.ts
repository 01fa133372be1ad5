import { Injectable } from '@nestjs/common';
import type { Upload, UploadKind } from './upload.schema.js';

/** What an upload feeds: a projection of the ledger that can be made again at any time. */
export abstract class UploadTarget {
  abstract readonly kind: UploadKind;
  /**
   * Finishes the link of a committed row whose request died before it was made: the target refers to the row afterwards,
   * or the row is superseded because the target has something newer.
   */
  abstract link(row: Upload): Promise<void>;
  /** Shows what the row says, where the target still refers to it. Safe to repeat, and in any order. */
  abstract project(row: Upload): Promise<void>;
}

/** The targets by kind; each feature registers its own. */
@Injectable()
export class UploadTargets {
  private readonly byKind = new Map<UploadKind, UploadTarget>();

  register(target: UploadTarget): void {
    if (this.byKind.has(target.kind)) throw new Error(`Two targets for uploads of kind ${target.kind}`);
    this.byKind.set(target.kind, target);
  }

  of(row: Upload): UploadTarget {
    const target = this.byKind.get(row.kind);
    if (!target) throw new Error(`No target for uploads of kind ${row.kind}`);
    return target;
  }
}
