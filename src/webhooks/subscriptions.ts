import { Injectable } from '@nestjs/common';
import type { EventType } from '../events/owed.js';
import { WebhookRepository } from './webhook.repository.js';
import { GLOBAL_OWNER, ownerOf } from './webhook.schema.js';

/** A new webhook is heard of within this time. */
const FRESH_MS = 2000;
/** With more webhooks than this, every event is taken to be wanted by somebody. */
const MOST = 5000;

/** Who wants to hear of what, from memory: the stages ask at every end, and must not wait for it. */
@Injectable()
export class Subscriptions {
  private wanted: Set<string> | null = null;
  private readAt = -Infinity;
  private reading = false;
  private changes = 0;

  constructor(private readonly webhooks: WebhookRepository) {}

  /** True also where it is not known any more: a mark too many is taken away again, one that is missing is an event lost. */
  mayWant(type: EventType, userId: string | null): boolean {
    if (performance.now() - this.readAt > FRESH_MS) {
      void this.read();
      return true;
    }
    if (!this.wanted) return true;
    return (
      this.wanted.has(`${GLOBAL_OWNER} ${type}`) || (userId !== null && this.wanted.has(`${ownerOf(userId)} ${type}`))
    );
  }

  /** Something was changed here: what is remembered counts no more. */
  forget(): void {
    this.changes += 1;
    this.readAt = -Infinity;
  }

  private async read(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    // Of the time before the look: what is made during it may be missing.
    const at = performance.now();
    const { changes } = this;
    try {
      const found = await this.webhooks.subscriptions(MOST);
      this.wanted =
        found.length < MOST
          ? new Set(found.flatMap(({ owner, events }) => events.map((type) => `${owner} ${type}`)))
          : null;
      if (changes === this.changes) this.readAt = at;
    } catch {
      // MongoDB is away: nothing is known.
    } finally {
      this.reading = false;
    }
  }
}
