import { randomBytes } from 'node:crypto';
import { jest } from '@jest/globals';
import { mongo } from 'mongoose';
import { Dispatcher } from '../../src/queue/dispatcher.js';
import { AudioStore } from '../../src/storage/audio-store.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { wavHeader } from '../support/audio-source.js';
import { type Caller, type TestService, eventually, fresh, startTestService } from '../support/service.js';

const MIB = 2 ** 20;
const wav = () => Buffer.concat([wavHeader(MIB), randomBytes(2 * MIB)]);

describe('an upload on its way in', () => {
  let service: TestService;
  let alice: Caller;
  let ledger: Ledger;

  beforeAll(async () => {
    service = await startTestService('api');
    alice = await service.user('alice');
    ledger = service.service.app.get(Ledger, { strict: false });
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => service.stop());

  /** What is sent to `fs.chunks` by this process. */
  function chunksSent() {
    const collection = Object.getPrototypeOf(ledger.rows) as mongo.Collection;
    const insert = jest.spyOn(collection, 'insertOne');
    return () => insert.mock.contexts.filter((of) => (of as mongo.Collection).collectionName === 'fs.chunks').length;
  }

  it('is taken while its row is being recorded, and not one byte is stored before', async () => {
    let record!: () => void;
    const mayBe = new Promise<void>((resolve) => (record = resolve));
    const begin = ledger.begin.bind(ledger);
    jest.spyOn(ledger, 'begin').mockImplementationOnce(async (...row) => {
      await mayBe;
      await begin(...row);
    });
    const store = service.service.app.get(AudioStore, { strict: false });
    const create = store.create.bind(store);
    let taken = 0;
    jest.spyOn(store, 'create').mockImplementationOnce((...file) => {
      const sink = create(...file);
      const write = sink.write.bind(sink);
      sink.write = async (bytes) => {
        await write(bytes);
        taken += bytes.length;
      };
      return sink;
    });
    const sent = chunksSent();
    const answer = alice.upload(await alice.session(), 'q1', wav());
    await eventually(() => expect(taken).toBeGreaterThan(MIB));
    expect(sent()).toBe(0);
    record();
    expect((await answer).status).toBe(200);
    expect(sent()).toBe(3);
  });

  it('leaves no byte where its row could not be recorded', async () => {
    jest.spyOn(ledger, 'begin').mockRejectedValueOnce(new Error('There is no place for it'));
    const sent = chunksSent();
    const session = await alice.session();
    const { status } = await alice.upload(session, 'q1', wav());
    expect([status, sent()]).toEqual([500, 0]);
    expect(await service.db.collection('uploads').countDocuments({ session_id: session })).toBe(0);
  });

  it('is named by its job as its row names it, without what was said', async () => {
    const { body } = await alice.upload(await alice.session(), 'q1', fresh('answer-0880.webm'));
    const _id = new mongo.ObjectId(body.upload_id as string);
    const row = await service.db.collection('uploads').findOne({ _id });
    const queue = service.service.app.get(Dispatcher, { strict: false }).queue('transcription');
    await eventually(async () => {
      const job = await queue.getJob(`${body.upload_id}-transcription-1`);
      expect(job?.data).toEqual({
        upload_id: body.upload_id,
        correlation_id: row!['correlation_id'],
        audio: { user_id: 'alice', sha256: row!['sha256'], file_id: body.file_id, size: row!['size'] },
      });
    });
  });
});
