import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { SessionRepository } from '../sessions/session.repository.js';
import { Ledger } from '../uploads/ledger.js';
import type { WebhookDelivery } from './delivery.schema.js';

/** Whether what a delivery tells of is still there to be told of. */
@Injectable()
export class DeliverySubject {
  constructor(
    private readonly ledger: Ledger,
    private readonly sessions: SessionRepository,
  ) {}

  async isErased({ subject, session_id }: WebhookDelivery): Promise<boolean> {
    return subject !== null && session_id !== null && !(await this.sessions.isThere(subject, session_id));
  }

  /** A newer take of the question came meanwhile: nobody should act on the older one, unless a person asked for it. */
  async isReplaced({ upload_id, by_hand }: WebhookDelivery): Promise<boolean> {
    if (upload_id === null || by_hand) return false;
    const row = await this.ledger.rows.findOne({ _id: new mongo.ObjectId(upload_id) }, { projection: { state: 1 } });
    return row?.state !== 'committed';
  }
}
