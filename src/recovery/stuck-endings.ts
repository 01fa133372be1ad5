import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { SessionRepository } from '../sessions/session.repository.js';
import type { ErasingSession } from '../sessions/session.repository.js';
import { AudioKeeper } from '../uploads/audio.keeper.js';
import type { KeptAudio } from '../uploads/kept-audio.schema.js';
import type { Stuck } from './finding.js';
import { SecondLook } from './second-look.js';

/** Finds what is to end and does not: the deletion of kept audio, the erasure of a session. */
@Injectable()
export class StuckEndings {
  constructor(
    private readonly keeper: AudioKeeper,
    private readonly sessions: SessionRepository,
  ) {}

  /**
   * @param late for deletions that went on last before it
   * @param veryLate for erasures that began before it: one may have much to erase
   */
  async *find(graceMs: number, late: Date, veryLate: Date): AsyncGenerator<Stuck> {
    const overdue: mongo.Filter<KeptAudio> = { state: 'deleting', updated_at: { $lt: late } };
    const again = new SecondLook<mongo.ObjectId, Stuck>(graceMs, (_id) => this.confirm({ ...overdue, _id }));
    for await (const { _id } of this.keeper.kept.find(overdue, { projection: { _id: 1 }, batchSize: 200 }))
      yield* again.add(_id);
    yield* again.rest();
    for await (const session of this.sessions.erasingSince(veryLate)) yield notErased(session);
  }

  /** Whether it still has not ended, without a grace: for who waited already. */
  async isStuck({ reason, upload_id, user_id, session_id }: Stuck): Promise<boolean> {
    if (reason === 'erasure_unfinished') return this.sessions.isBeingErased(user_id ?? '', session_id ?? '');
    return (await this.confirm({ state: 'deleting', by: new mongo.ObjectId(upload_id ?? '') })) !== null;
  }

  private async confirm(which: mongo.Filter<KeptAudio>): Promise<Stuck | null> {
    const audio = await this.keeper.kept.findOne(which);
    return audio && notDeleted(audio);
  }
}

function notDeleted({ by, created_at, updated_at }: KeptAudio): Stuck {
  // An attempt that failed leaves the beginning of time, so that the next one need not wait.
  const since = updated_at > created_at ? updated_at : created_at;
  return { category: 'stuck', upload_id: by.toHexString(), stage: null, reason: 'kept_audio_not_deleted', since };
}

function notErased({ user_id, session_id, erasing_since }: ErasingSession): Stuck {
  const since = erasing_since ?? new Date(0);
  return { category: 'stuck', upload_id: null, user_id, session_id, stage: null, reason: 'erasure_unfinished', since };
}
