import { jest } from '@jest/globals';
import mongoose, { type Connection, mongo } from 'mongoose';
import type { Config } from '../../src/config/config.js';
import { Outbox } from '../../src/events/outbox.js';
import type { LedgerNotes } from '../../src/uploads/ledger-notes.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { StageLedger } from '../../src/uploads/stage-ledger.js';
import { type Upload, dueStage } from '../../src/uploads/upload.schema.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';

describe('stages that are claimed together', () => {
  let connection: Connection;
  let ledger: Ledger;
  let stages: StageLedger;
  const commands: string[] = [];

  beforeAll(async () => {
    const options = { dbName: uniqueDatabase(), monitorCommands: true };
    connection = await mongoose.createConnection(testMongoUri(), options).asPromise();
    connection.getClient().on('commandStarted', ({ commandName }) => commands.push(commandName));
    ledger = new Ledger(connection, new Outbox());
    const notes = { attempt: () => undefined } as unknown as LedgerNotes;
    stages = new StageLedger(ledger, notes, new Outbox(), { STAGE_LEASE_S: 30, STAGE_ATTEMPTS: 3 } as Config);
  });
  beforeEach(async () => {
    await ledger.rows.deleteMany({});
    commands.length = 0;
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await connection.dropDatabase();
    await connection.close();
  });

  async function due(count: number, more: Partial<Upload> = {}): Promise<mongo.ObjectId[]> {
    const rows = Array.from({ length: count }, () => ({
      _id: new mongo.ObjectId(),
      state: 'committed',
      user_id: 'alice',
      version: 0,
      stages: { transcription: dueStage(new Date()) },
      ...more,
    }));
    await ledger.rows.insertMany(rows as Upload[]);
    commands.length = 0;
    return rows.map(({ _id }) => _id);
  }
  const claim = (id: mongo.ObjectId, worker = 'a') => stages.claim(id, 'transcription', worker);
  const stored = async (id: mongo.ObjectId) => (await ledger.rows.findOne({ _id: id }))!;

  it('take a few commands, never a findAndModify, and are each held by a worker with a mark of its own', async () => {
    const ids = await due(40);
    const claims = await Promise.all(ids.map((id) => claim(id)));
    expect(commands.length).toBeLessThan(8);
    // An engine may go through the whole collection for it.
    expect(new Set(commands)).toEqual(new Set(['update', 'find']));
    expect(claims.map((one) => one?.row._id)).toEqual(ids);
    expect(new Set(claims.map((one) => one?.mark)).size).toBe(40);
    for (const one of claims) expect(one).toMatchObject({ attempt: 1, row: { version: 1 } });
    const { stages: found } = await stored(ids[7]!);
    expect(found.transcription).toMatchObject({ state: 'processing', worker: 'a', token: claims[7]!.token });
  });

  it('are given to one of those who ask at the same time, in another process or in this one', async () => {
    const ids = await due(10);
    const asked = ids.flatMap((id) => [claim(id, 'a'), claim(id, 'b'), claim(id, 'a')]);
    const got = (await Promise.all(asked)).filter((one) => one !== null);
    expect(got.map(({ id }) => id.toHexString()).sort()).toEqual(ids.map((id) => id.toHexString()).sort());
  });

  it('leave what is not due: another state, a later time, a take that was replaced', async () => {
    const [good] = await due(1);
    const later = { transcription: dueStage(new Date(Date.now() + 60_000)) };
    const done = { transcription: { ...dueStage(new Date()), state: 'done' as const } };
    const others = [...(await due(1, { stages: later })), ...(await due(1, { stages: done }))];
    others.push(...(await due(1, { state: 'superseded' })), new mongo.ObjectId());
    const claims = await Promise.all([good!, ...others].map((id) => claim(id)));
    expect(claims.map((one) => one?.id ?? null)).toEqual([good, null, null, null, null]);
  });

  it('are ours where the answer to the claim was lost', async () => {
    const ids = await due(3);
    const { rows } = ledger;
    const update = rows.updateMany.bind(rows);
    jest.spyOn(rows, 'updateMany').mockImplementationOnce(async (...asked) => {
      await update(...asked);
      throw new mongo.MongoNetworkError('cut');
    });
    const claims = await Promise.all(ids.map((id) => claim(id)));
    expect(claims.map((one) => one?.attempt)).toEqual([1, 1, 1]);
  });

  it('are taken as they are then, where one of them was changed after it was read', async () => {
    const ids = await due(3);
    const { rows } = ledger;
    const update = rows.updateMany.bind(rows);
    jest.spyOn(rows, 'updateMany').mockImplementationOnce(async (...asked) => {
      await rows.updateOne({ _id: ids[1]! }, { $set: { version: 4, language: 'en' } });
      return update(...asked);
    });
    const claims = await Promise.all(ids.map((id) => claim(id)));
    expect(claims.map((one) => one?.row.version)).toEqual([1, 5, 1]);
    expect(claims[1]).toMatchObject({ attempt: 1, row: { language: 'en' } });
    for (const one of claims) expect((await stored(one!.id)).stages.transcription).toMatchObject({ token: one!.token });
  });

  it('are only those of which their worker knows the row: what becomes due meanwhile is left for later', async () => {
    const [first, second, late] = [...(await due(2)), ...(await due(1, { stages: {} }))];
    const { rows } = ledger;
    const update = rows.updateMany.bind(rows);
    // Another has changed one of those that were found, and one that was asked for has become due.
    jest.spyOn(rows, 'updateMany').mockImplementationOnce(async (...asked) => {
      const stages = { transcription: dueStage(new Date()) };
      await rows.updateOne({ _id: late! }, { $set: { stages } });
      await rows.updateOne({ _id: first! }, { $inc: { version: 1 } });
      return update(...asked);
    });
    const seen: Upload[] = [];
    const claims = await Promise.all(
      [first!, second!, late!].map((one) => stages.claim(one, 'transcription', 'a', (row) => seen.push(row))),
    );
    expect(claims.map((one) => one?.id ?? null)).toEqual([first, second, null]);
    expect(seen).toHaveLength(2);
    expect((await stored(late!)).stages.transcription).toMatchObject({ state: 'due', attempts: 0 });
  });

  it('have a whole lease however long the first try to take them hung', async () => {
    const [id] = await due(1);
    const { rows } = ledger;
    const now = jest.spyOn(Date, 'now');
    jest.spyOn(rows, 'updateMany').mockImplementationOnce(() => {
      now.mockReturnValue(Date.now() + 300_000);
      return Promise.reject(new mongo.MongoNetworkError('cut'));
    });
    const { row } = (await claim(id!))!;
    const left = row.stages.transcription!.lease_until!.getTime() - Date.now();
    now.mockRestore();
    expect(left).toBe(30_000);
  });

  it('are known to who asks as they were left, and before that as they were found', async () => {
    const [id, later] = [...(await due(1)), ...(await due(1, { state: 'failed' }))];
    const seen: Upload[] = [];
    const claims = [id!, later!].map((one) => stages.claim(one, 'transcription', 'a', (row) => seen.push(row)));
    const [taken, notDue] = await Promise.all(claims);
    expect([notDue, seen.map(({ _id, version }) => [_id, version])]).toEqual([null, [[id, 0]]]);
    expect(taken!.row).toEqual(await stored(id!));
  });

  it('are written once the work that hears of the row has begun, as far as it goes without waiting', async () => {
    const [id] = await due(1);
    const order: string[] = [];
    const { rows } = ledger;
    const update = rows.updateMany.bind(rows);
    jest.spyOn(rows, 'updateMany').mockImplementationOnce((...asked) => {
      order.push('claim');
      return update(...asked);
    });
    const work = async () => {
      for (let step = 0; step < 20; step++) await Promise.resolve();
      order.push('work');
    };
    await stages.claim(id!, 'transcription', 'a', () => void work());
    expect(order).toEqual(['work', 'claim']);
  });

  it('end each for itself: a token that is shared fences one row from no other', async () => {
    const [first, second] = await due(2);
    const [one, other] = await Promise.all([claim(first!), claim(second!)]);
    await ledger.rows.updateOne({ _id: first! }, { $set: { 'stages.transcription.token': 'of another' } });
    expect(await stages.complete(one!, { audio_state: 'deleting' })).toBe(false);
    expect(await stages.complete(other!, { audio_state: 'deleting' })).toBe(true);
    expect([(await stored(first!)).audio_state, (await stored(second!)).audio_state]).toEqual([undefined, 'deleting']);
    expect((await stored(second!)).projection_due).toBe(other!.mark);
  });
});
