import { jest } from '@jest/globals';
import mongoose, { type Connection, mongo } from 'mongoose';
import type { Log } from '../../src/common/logging.js';
import { Outbox } from '../../src/events/outbox.js';
import type { AudioStore } from '../../src/storage/audio-store.js';
import { MongoPieceStore } from '../../src/transcription/mongo.piece-store.js';
import type { AudioKeeper } from '../../src/uploads/audio.keeper.js';
import { LedgerNotes } from '../../src/uploads/ledger-notes.js';
import { Ledger } from '../../src/uploads/ledger.js';
import { UploadEraser } from '../../src/uploads/upload.eraser.js';
import type { Attempt, Upload } from '../../src/uploads/upload.schema.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';

describe('what is kept beside a row that is erased', () => {
  let connection: Connection;
  let ledger: Ledger;

  beforeAll(async () => {
    connection = await mongoose.createConnection(testMongoUri(), { dbName: uniqueDatabase() }).asPromise();
    ledger = new Ledger(connection, new Outbox());
  });
  afterEach(() => void jest.restoreAllMocks());
  afterAll(async () => {
    await connection.dropDatabase();
    await connection.close();
  });

  const attemptOf = (upload_id: mongo.ObjectId) =>
    ({ upload_id, stage: 'transcription', number: 1, outcome: 'done' }) as Omit<Attempt, '_id'>;

  async function row(): Promise<mongo.ObjectId> {
    const _id = new mongo.ObjectId();
    const upload = { _id, user_id: 'alice', session_id: 's', state: 'committed', file_id: null };
    await ledger.rows.insertOne(upload as unknown as Upload);
    return _id;
  }
  const kept = async (upload_id: mongo.ObjectId) => [
    await ledger.attempts.countDocuments({ upload_id }),
    await ledger.pieces.countDocuments({ upload_id }),
  ];

  it('is not written again by the note of an attempt that ended before', async () => {
    const notes = new LedgerNotes(ledger, new Outbox(), {} as Log);
    const [erased, other] = [await row(), await row()];
    for (const id of [erased, other]) notes.attempt(attemptOf(id));
    await ledger.rows.deleteOne({ _id: erased });
    await notes.flush();
    expect(await kept(erased)).toEqual([0, 0]);
    expect(await kept(other)).toEqual([1, 0]);
  });

  it('is not written again by a worker that does not know of it yet: how an attempt failed, what was heard', async () => {
    const [erased, other] = [await row(), await row()];
    await ledger.rows.deleteOne({ _id: erased });
    for (const id of [erased, other]) {
      await ledger.record(attemptOf(id));
      const pieces = new MongoPieceStore(ledger, id, 'local', 'en');
      const now = Date.now();
      jest.spyOn(Date, 'now').mockReturnValue(now + 60_000);
      await pieces.save({ index: 0, segments: [{ start: 0, end: 1, text: 'Spoken words.' }] });
      jest.restoreAllMocks();
    }
    expect(await kept(erased)).toEqual([0, 0]);
    expect(await kept(other)).toEqual([1, 1]);
  });

  it('is taken away also where it comes while the row goes', async () => {
    const store = {} as AudioStore;
    const eraser = new UploadEraser(ledger, store, {} as AudioKeeper);
    await ledger.rows.deleteMany({});
    const id = await row();
    const { rows } = ledger;
    const deleteOne = rows.deleteOne.bind(rows);
    jest.spyOn(rows, 'deleteOne').mockImplementationOnce(async (...asked) => {
      await ledger.record(attemptOf(id));
      return deleteOne(...asked);
    });
    await eraser.eraseSession('alice', 's');
    expect(await rows.findOne({ _id: id })).toBeNull();
    expect(await kept(id)).toEqual([0, 0]);
  });
});
