import { jest } from '@jest/globals';
import mongoose, { type Connection, mongo } from 'mongoose';
import { Outbox } from '../../src/events/outbox.js';
import { MongoPieceStore } from '../../src/transcription/mongo.piece-store.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { FinishedPieceSchema, type Upload } from '../../src/uploads/upload.schema.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';

describe('the finished pieces of a long transcription', () => {
  let connection: Connection;
  let ledger: Ledger;

  beforeAll(async () => {
    connection = await mongoose.createConnection(testMongoUri(), { dbName: uniqueDatabase() }).asPromise();
    ledger = new Ledger(connection, new Outbox());
    for (const [keys, options] of FinishedPieceSchema.indexes())
      await ledger.pieces.createIndex(keys as Record<string, 1>, options as mongo.CreateIndexesOptions);
  });
  afterEach(() => void jest.restoreAllMocks());
  afterAll(async () => {
    await connection.dropDatabase();
    await connection.close();
  });

  const pieceOf = (text: string) => ({ index: 0, segments: [{ start: 0, end: 1, text }] });

  async function upload(): Promise<mongo.ObjectId> {
    const _id = new mongo.ObjectId();
    await ledger.rows.insertOne({ _id, user_id: 'alice', session_id: 's', state: 'committed' } as unknown as Upload);
    return _id;
  }

  /** Pieces are saved once an attempt has taken a while. */
  async function saved(store: MongoPieceStore, text: string): Promise<void> {
    jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
    await store.save(pieceOf(text));
    jest.restoreAllMocks();
  }

  it('are found again by the same engine in the same language alone, and written over by another language', async () => {
    const id = await upload();
    await saved(new MongoPieceStore(ledger, id, 'whisper', 'fr'), 'Bonjour.');
    const french = () => new MongoPieceStore(ledger, id, 'whisper', 'fr').load();
    expect(await french()).toEqual([pieceOf('Bonjour.')]);

    const english = new MongoPieceStore(ledger, id, 'whisper', 'en');
    expect(await english.load()).toEqual([]);
    await saved(english, 'Hello.');
    expect(await english.load()).toEqual([pieceOf('Hello.')]);
    expect(await french()).toEqual([]);
    expect(await ledger.pieces.countDocuments({ upload_id: id })).toBe(1);
  });

  it('are to be removed with the others when another engine took over', async () => {
    const store = new MongoPieceStore(ledger, await upload(), 'whisper', 'en');
    expect(store.isUsed).toBe(false);
    await saved(store.of('moonshine'), 'Hello.');
    expect(store.isUsed).toBe(true);
  });
});
