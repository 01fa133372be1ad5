import mongoose, { type Connection, mongo } from 'mongoose';
import { Outbox } from '../../src/events/outbox.js';
import { QueueDepths } from '../../src/queue/queue-depths.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { type Stage, type Upload, UploadSchema, dueStage } from '../../src/uploads/upload.schema.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';

type Filter = Record<string, unknown>;

/** Indexes that hold only the stages in one state. */
const partial = UploadSchema.indexes().flatMap(([keys, options]) => {
  const [field, state] = Object.entries(options?.partialFilterExpression ?? {})[0] ?? [];
  return field?.startsWith('stages.') ? [{ key: Object.keys(keys)[0]!, field, state }] : [];
});

describe('how much each queue holds', () => {
  let connection: Connection;
  let ledger: Ledger;
  let depths: QueueDepths;
  const filters: Filter[] = [];

  beforeAll(async () => {
    const options = { dbName: uniqueDatabase(), monitorCommands: true };
    connection = await mongoose.createConnection(testMongoUri(), options).asPromise();
    connection.getClient().on('commandStarted', ({ command }) => {
      if (command['find'] === 'uploads') filters.push(command['filter'] as Filter);
      if (command['aggregate'] === 'uploads') filters.push((command['pipeline'] as { $match: Filter }[])[0]!.$match);
    });
    ledger = new Ledger(connection, new Outbox());
    depths = new QueueDepths(ledger);
    const model = connection.model('Upload', UploadSchema);
    await model.createIndexes();
  });
  beforeEach(async () => {
    await ledger.rows.deleteMany({});
    filters.length = 0;
  });
  afterAll(async () => {
    await connection.dropDatabase();
    await connection.close();
  });

  const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1000);

  async function holds(...found: Partial<Stage>[]): Promise<void> {
    const rows = found.map((stage) => ({
      _id: new mongo.ObjectId(),
      state: 'committed',
      version: 0,
      stages: { transcription: { ...dueStage(new Date()), ...stage } },
    }));
    await ledger.rows.insertMany(rows as Upload[]);
  }
  const held = (lease_until: Date): Partial<Stage> => ({ state: 'processing', token: 'a-token', lease_until });
  const read = async () => (await depths.read())[0]!;

  it('is counted by state, without what an admin has dismissed', async () => {
    const failed: Partial<Stage> = { state: 'failed', finished_at: secondsAgo(10) };
    await holds({}, {}, {}, held(new Date()), held(new Date()), failed, { ...failed, dismissed_at: new Date() });
    await holds({ state: 'done', finished_at: new Date() });
    await ledger.rows.insertOne({ state: 'superseded', stages: { transcription: dueStage(new Date()) } } as Upload);
    expect((await read()).depth).toEqual({ due: 3, processing: 2, failed: 1 });
  });

  describe('and how long the oldest has waited', () => {
    const failedOnce = { error: { code: 'engine_failed', message: 'It failed.' } };
    const oldest = async () => Math.floor((await read()).oldestWaitS);

    it('is nothing where none waits, however long a first try takes', async () => {
      await holds({ ...held(new Date()), waiting_since: secondsAgo(400), due_at: secondsAgo(400) });
      await holds({ state: 'failed', finished_at: new Date(), waiting_since: secondsAgo(500), ...failedOnce });
      expect(await oldest()).toBe(0);
    });

    it('counts through the tries that failed: while it waits for the next one, and during that', async () => {
      await holds({ waiting_since: secondsAgo(40) }, {});
      expect(await oldest()).toBe(40);
      await holds({ waiting_since: secondsAgo(50), due_at: secondsAgo(-60), ...failedOnce });
      expect(await oldest()).toBe(50);
      await holds({ ...held(new Date()), waiting_since: secondsAgo(60), ...failedOnce });
      expect(await oldest()).toBe(60);
    });

    it('is told of a row of an earlier version by when it was due last', async () => {
      await holds({ waiting_since: secondsAgo(40), due_at: secondsAgo(10) });
      const before = dueStage(secondsAgo(30));
      delete before.waiting_since;
      await ledger.rows.insertOne({ state: 'committed', stages: { transcription: before } } as Upload);
      expect(await oldest()).toBe(40);
      await ledger.rows.deleteOne({ 'stages.transcription.waiting_since': { $exists: true } });
      expect(await oldest()).toBe(30);
    });
  });

  it('is asked by the keys of the indexes that hold nothing else: the ledger is never gone through', async () => {
    await depths.read();
    expect(filters.length).toBeGreaterThanOrEqual(partial.length);
    for (const filter of filters) {
      const index = partial.find(({ field, state }) => filter[field] === state);
      expect(index).toBeDefined();
      expect(filter).toHaveProperty([index!.key]);
    }
  });
});
