import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { EventType, OwingCollection } from './owed.js';

/** What tells others: the webhooks. */
export interface Teller {
  /** Whether anybody may want to hear of it; from memory, and true where that is too old to know. */
  mayWant(type: EventType, userId: string | null): boolean;
  /** Whether anybody wants to hear of it, for sure. */
  wants(type: EventType, userId: string | null): Promise<boolean>;
  /** Records a delivery of each event that the document owes, for each who wants it. Safe to repeat. */
  tell(collection: OwingCollection, id: unknown): Promise<void>;
  /** Sends what is due from this process, without the queue. */
  sendHere(): Promise<void>;
}

/** Marks that wait for being shown; the sweep tells of those that were given up here. */
const UNSHOWN = { max: 10_000, ttl: 60_000 };

/**
 * Where state changes and those who tell of them meet. The mark on the document is what counts; what goes through here only
 * makes it quick, and the sweep finds what a crash cut short.
 */
@Injectable()
export class Outbox {
  private teller: Teller | null = null;
  /** Events of rows whose targets do not show the change yet: who is told of it may look at once. */
  private readonly unshown = new LRUCache<string, true>(UNSHOWN);

  register(teller: Teller): void {
    if (this.teller) throw new Error('Two tellers of events');
    this.teller = teller;
  }

  mayWant(type: EventType, userId: string | null): boolean {
    return this.teller?.mayWant(type, userId) ?? false;
  }

  async wants(type: EventType, userId: string | null): Promise<boolean> {
    return (await this.teller?.wants(type, userId)) ?? false;
  }

  /** The document owes an event now. Returns at once. */
  nudge(collection: OwingCollection, id: unknown): void {
    this.teller?.tell(collection, id).catch(() => undefined);
  }

  /** A row owes the event `id`, and its target is about to show why. */
  await(id: string): void {
    this.unshown.set(id, true);
  }

  /** A row's target shows the change that `id` names. */
  shown(rowId: unknown, id: string): void {
    if (this.unshown.delete(id)) this.nudge('uploads', rowId);
  }

  async sendHere(): Promise<void> {
    await this.teller?.sendHere();
  }
}
