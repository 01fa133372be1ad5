import { jest } from '@jest/globals';
import mongoose, { type Connection, type mongo } from 'mongoose';
import { GroupCommit } from '../../src/common/group-commit.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';

jest.setTimeout(60_000);

interface Row {
  _id: number;
  state: string;
  seat?: number;
  by?: string;
  size?: unknown;
}

describe('writes that come together', () => {
  let connection: Connection;
  let rows: mongo.Collection<Row>;
  let writes: GroupCommit<Row>;
  const commands: string[] = [];

  beforeAll(async () => {
    const options = { dbName: uniqueDatabase(), monitorCommands: true };
    connection = await mongoose.createConnection(testMongoUri(), options).asPromise();
    connection.getClient().on('commandStarted', ({ commandName }) => commands.push(commandName));
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

  it('give the document to who took it, alone or together with others, and nothing to who lost', async () => {
    await insert([1, 2, 3]);
    commands.length = 0;
    const taken = (id: number, by: string) => ({ _id: id, state: 'taken', by });
    expect(await writes.take(taking(1, 'a'))).toEqual(taken(1, 'a'));
    // Never a findAndModify: an engine may go through the whole collection for it.
    expect(commands).toEqual(['update', 'find']);
    const three = await Promise.all([1, 2, 3].map((id) => writes.take(taking(id, 'b'))));
    expect(three).toEqual([null, taken(2, 'b'), taken(3, 'b')]);
    expect(await writes.take(taking(1, 'b'))).toBeNull();
    // The server had made it already, and its answer was lost.
    expect(await writes.take(taking(2, 'b'))).toEqual(taken(2, 'b'));
    expect(await Promise.all([2, 3].map((id) => writes.take(taking(id, 'b'))))).toEqual([taken(2, 'b'), taken(3, 'b')]);
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
