import { mongo } from 'mongoose';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { type Caller, eventually, fresh } from '../support/service.js';

let running: ServiceWithEngine;
let alice: Caller;

beforeAll(async () => {
  running = await startWithEngine();
  alice = await running.service.user('alice');
});
afterAll(() => running.stop());

describe('kept audio that somebody deleted from the archive, or altered there', () => {
  const deleted = async (db: mongo.Db) => {
    await db.collection('archive.chunks').deleteMany({});
    await db.collection('archive.files').deleteMany({});
  };
  const altered = async (db: mongo.Db) => {
    const chunks = db.collection('archive.chunks');
    for await (const { _id, data } of chunks.find()) {
      const bytes = Buffer.from((data as mongo.Binary).buffer);
      bytes[1000]! ^= 1;
      await chunks.updateOne({ _id }, { $set: { data: new mongo.Binary(bytes) } });
    }
  };

  it.each([
    ['deleted', deleted],
    ['altered', altered],
  ])('%s: is stored anew when the same bytes come again, and not taken for granted', async (_what, harm) => {
    const { db } = running.service;
    const session = await alice.session(['q1', 'q2'], { retain_audio: true });
    const bytes = fresh('reading.webm');
    const archived = async (question: string) => {
      await alice.upload(session, question, bytes);
      return eventually(async () => {
        const row = await db.collection('uploads').findOne({ session_id: session, question_id: question });
        expect(row).toMatchObject({ kept_state: 'kept', audio_state: 'deleted' });
        return row!;
      });
    };
    const first = await archived('q1');
    await harm(db);
    const second = await archived('q2');
    expect(second['kept_id']).toEqual(first['kept_id']);
    for (const { _id } of [first, second]) {
      const response = await fetch(`${alice.url}/api/uploads/${String(_id)}/audio`, {
        headers: { authorization: alice.authorization },
      });
      expect(response.status).toBe(200);
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    }
  });
});
