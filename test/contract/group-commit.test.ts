import mongoose, { type Connection, type mongo } from 'mongoose';
import { GroupCommit } from '../../src/common/group-commit.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';

interface Row {
  _id: number;
  state: string;
  seat?: number;
  by?: string;
  size?: unknown;
  count?: number;
  parts?: Record<string, { version: number; text: string }>;
}

describe('writes that come together', () => {
  let connection: Connection;
  let rows: mongo.Collection<Row>;
  let writes: GroupCommit<Row>;
  const commands: string[] = [];
  /** How many documents each update command was for. */
  const written: number[] = [];

  beforeAll(async () => {
    const options = { dbName: uniqueDatabase(), monitorCommands: true };
    connection = await mongoose.createConnection(testMongoUri(), options).asPromise();
    connection.getClient().on('commandStarted', ({ commandName, command }) => {
      commands.push(commandName);
      if (commandName === 'update') written.push((command['updates'] as unknown[]).length);
    });
    rows = connection.db!.collection<Row>('rows');
    writes = new GroupCommit(rows);
    await rows.createIndex({ seat: 1 }, { unique: true, partialFilterExpression: { seat: { $exists: true } } });
  });
  beforeEach(async () => {
    await rows.deleteMany({});
    commands.length = 0;
  });
  afterAll(async () => {
    await connection.dropDatabase();
    await connection.close();
  });

  const taking = (id: number, by: string) => ({
    filter: { _id: id, state: 'due' },
    update: { $set: { state: 'taken', by } },
    which: { _id: id },
    shows: (row: Row) => row.by === by,
  });
  const take = (id: number, by: string) => writes.update(taking(id, by));
  const insert = (ids: number[]) => Promise.all(ids.map((_id) => writes.insert({ _id, state: 'due' })));
  const hundred = Array.from({ length: 100 }, (_, index) => index);

  it('need a few commands, not one each, and are all made', async () => {
    await insert(hundred);
    expect(commands.filter((name) => name === 'insert').length).toBeLessThan(10);
    const taken = await Promise.all(hundred.map((id) => take(id, 'a')));
    expect(taken.every(Boolean)).toBe(true);
    expect(commands.filter((name) => name === 'update').length).toBeLessThan(10);
    expect(await rows.countDocuments({ state: 'taken', by: 'a' })).toBe(100);
  });

  it('tell who lost: of twenty that want the same document one gets it, and says so alone', async () => {
    await insert([1, 2]);
    const names = Array.from({ length: 20 }, (_, index) => `worker-${index}`);
    const got = await Promise.all(names.map((name) => take(1, name)));
    const { by } = (await rows.findOne({ _id: 1 }))!;
    expect(names.filter((_, index) => got[index])).toEqual([by]);
    expect(await Promise.all([take(2, 'a'), take(3, 'a')])).toEqual([true, false]);
  });

  it('are made once, and say so, when the server had them already: the answer of the first time was lost', async () => {
    await rows.insertMany([1, 2].map((_id) => ({ _id, state: 'due' })));
    await expect(insert([1])).resolves.toBeDefined();
    await expect(insert([1, 2, 3])).resolves.toBeDefined();
    expect(await rows.countDocuments({})).toBe(3);
    await rows.updateOne({ _id: 1 }, { $set: { state: 'taken', by: 'a' } });
    expect(await Promise.all([take(1, 'a')])).toEqual([true]);
    expect(await Promise.all([take(1, 'b')])).toEqual([false]);
    expect(await Promise.all([take(1, 'a'), take(2, 'a')])).toEqual([true, true]);
  });

  describe('for different parts of one document', () => {
    const show = (part: string, version: number, text: string) =>
      writes.update({
        filter: { _id: 1, [`parts.${part}.version`]: { $lt: version } },
        update: { $set: { [`parts.${part}`]: { version, text }, state: 'shown' }, $inc: { count: 1 } },
        which: { _id: 1 },
        shows: ({ parts }) => parts?.[part]?.version === version,
        part,
      });
    const document = async () => (await rows.findOne({ _id: 1 }))!;
    beforeEach(async () => {
      const parts = Object.fromEntries(['a', 'b', 'c', 'd'].map((part) => [part, { version: 1, text: 'old' }]));
      await rows.insertOne({ _id: 1, state: 'due', count: 0, parts });
      commands.length = 0;
      written.length = 0;
    });

    it('are one write, as each would have been', async () => {
      expect(await Promise.all(['a', 'b', 'c', 'd'].map((part) => show(part, 2, part)))).toEqual(Array(4).fill(true));
      expect(written.at(-1)).toBe(1);
      expect(written.length).toBeLessThan(3);
      const { parts, count, state } = await document();
      expect(Object.values(parts!).map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd']);
      expect([count, state]).toEqual([4, 'shown']);
    });

    it('take none with them that lost, and are no one write where they are for the same part', async () => {
      await rows.updateOne({ _id: 1 }, { $set: { 'parts.b.version': 9 } });
      const asked = [show('a', 2, 'a'), show('b', 2, 'b'), show('c', 2, 'c'), show('d', 2, 'd'), show('d', 3, 'dd')];
      expect(await Promise.all(asked)).toEqual([true, false, true, expect.any(Boolean), true]);
      const { parts } = await document();
      expect(Object.values(parts!).map(({ text }) => text)).toEqual(['a', 'old', 'c', 'dd']);
    });

    it('are made once, and say so, when the server had them already', async () => {
      expect(await Promise.all(['a', 'b'].map((part) => show(part, 2, part)))).toEqual([true, true]);
      expect(await Promise.all(['a', 'b', 'c'].map((part) => show(part, 2, part)))).toEqual([true, true, true]);
      expect((await document()).count).toBe(3);
    });
  });

  it('fail one by one: a duplicate key or a document that cannot be written takes no other with it', async () => {
    await writes.insert({ _id: 0, state: 'due', seat: 5 });
    const results = await Promise.allSettled([4, 5, 6].map((id) => writes.insert({ _id: id, state: 'due', seat: id })));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ code: 11000 });
    expect(await rows.countDocuments({})).toBe(3);
    await insert([5]);

    const circle: Record<string, unknown> = {};
    circle['itself'] = circle;
    const odd = await Promise.allSettled([
      take(4, 'a'),
      writes.update({
        filter: { _id: 6 },
        update: { $set: { size: circle } },
        which: { _id: 6 },
        shows: () => true,
      }),
      take(5, 'a'),
    ]);
    expect(odd.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await rows.countDocuments({ by: 'a' })).toBe(2);
  });
});
