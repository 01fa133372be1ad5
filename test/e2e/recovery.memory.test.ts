import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { KeptAudioVerifier } from '../../src/recovery/kept-audio.verifier.js';
import { LinkVerifier } from '../../src/recovery/link.verifier.js';
import { Verifier } from '../../src/recovery/verifier.js';
import { collectGarbage } from '../support/garbage.js';
import { engineKeepsData } from '../support/servers.js';
import { type Json, type TestService, startTestService } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

const MIB = 2 ** 20;
const ROWS = 240;
const SESSIONS = 50;
const TRANSCRIPT = 'w'.repeat(MIB / 8);

let service: TestService;

beforeAll(async () => {
  service = await startTestService('api', { DISPATCH_GRACE_S: '1' });
});
afterAll(() => service.stop());

/** Of the engines one, which is no durable one either, sends whole documents whatever is asked of them. */
const itReadsLess = engineKeepsData() ? it : it.skip;

/** Bytes of the heap that something still holds. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

describe('verify', () => {
  it('holds no transcript of the rows that it looks at again', async () => {
    const at = longAgo();
    const row = (index: number) => ({
      kind: 'answer',
      state: 'committed',
      source: 'text',
      user_id: 'alice',
      session_id: 's',
      question_id: `q${index}`,
      file_id: null,
      audio_state: 'none',
      stages: { analysis: { state: 'due', due_at: at } },
      transcript: { text: TRANSCRIPT + String(index) },
      created_at: at,
      committed_at: at,
      updated_at: at,
    });
    const rows = service.db.collection('uploads');
    for (let index = 0; index < ROWS; index += 20)
      await rows.insertMany(Array.from({ length: 20 }, (_, offset) => row(index + offset)));
    const verifier = service.service.app.get(Verifier, { strict: false });

    const before = heldBytes();
    let most = 0;
    let found = 0;
    for await (const { category } of verifier.findings({ deep: false }, { files: 0, records: 0, hashed_bytes: 0 })) {
      expect(category).toBe('stuck');
      // When the first is looked at again, all the others wait for it.
      if (found++ % 60 === 0) most = Math.max(most, heldBytes() - before);
    }
    // Each of them waits for its stage, and its session does not know it.
    expect(found).toBe(2 * ROWS);
    expect(most).toBeLessThan((ROWS * TRANSCRIPT.length) / 6);
    await rows.deleteMany({});
  });

  itReadsLess('reads no transcript of the sessions that it looks for answers in', async () => {
    const at = longAgo();
    const sessions = service.db.collection('interview_sessions');
    const questions = Array.from({ length: 5 }, (_, index) => `q${index}`);
    const ids = Array.from({ length: SESSIONS }, (_, index) => `s${index}`);
    const fed = ids.flatMap((session_id) => questions.map((id) => ({ _id: new mongo.ObjectId(), session_id, id })));
    for (const session_id of ids) {
      const mine = fed.filter((row) => row.session_id === session_id);
      const answers = mine.map(({ _id, id }): [string, Json] => [
        id,
        { upload_id: String(_id), transcript: TRANSCRIPT + id },
      ]);
      const key = `${session_id}/alice`;
      await sessions.insertOne({ key, session_id, user_id: 'alice', answers: Object.fromEntries(answers) });
    }
    // One question of all sessions after the other: rows that are looked at together are of many sessions.
    const row = ({ _id, session_id, id: question_id }: (typeof fed)[number]) => ({
      ...{ _id, session_id, question_id, user_id: 'alice', kind: 'answer', state: 'committed', source: 'text' },
      ...{ file_id: null, audio_state: 'none', stages: {}, created_at: at, committed_at: at, updated_at: at },
    });
    await service.db.collection('uploads').insertMany(fed.map(row));
    const verifier = service.service.app.get(LinkVerifier, { strict: false });

    const before = heldBytes();
    let most = 0;
    let reads = 0;
    const cursors = mongo.FindCursor.prototype as unknown as { toArray: () => Promise<unknown[]> };
    const { toArray: real } = cursors;
    jest.spyOn(cursors, 'toArray').mockImplementation(async function (this: unknown) {
      const read = await real.call(this);
      if (read.length > 1) {
        reads += 1;
        most = Math.max(most, heldBytes() - before);
      }
      return read;
    });
    for await (const stuck of verifier.find()) throw new Error(`Not known: ${JSON.stringify(stuck)}`);
    jest.restoreAllMocks();
    expect(reads).toBeGreaterThan(1);
    expect(most).toBeLessThan(SESSIONS * TRANSCRIPT.length);
  });

  it('has few files ahead of it when it reads each, so that no cursor is left alone for long', async () => {
    const batches = new Map<string, unknown>();
    const methods = mongo.Collection.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
    const real = methods['find']!;
    jest.spyOn(methods, 'find').mockImplementation(function (this: unknown, filter: unknown, options: unknown) {
      batches.set((this as mongo.Collection).collectionName, (options as mongo.FindOptions | undefined)?.batchSize);
      return real.call(this, filter, options);
    });
    const { app } = service.service;
    const looked = { files: 0, records: 0, hashed_bytes: 0 };
    const landed = app.get(Verifier, { strict: false }).landingZone({ deep: true }, looked);
    const kept = app.get(KeptAudioVerifier, { strict: false }).findings(true, looked);
    for (const findings of [landed, kept]) for await (const found of findings) throw new Error(found.category);
    jest.restoreAllMocks();
    expect(Object.fromEntries(batches)).toMatchObject({
      'fs.files': 10,
      'fs.chunks': 100,
      uploads: 10,
      kept_audio: 10,
    });
  });
});
