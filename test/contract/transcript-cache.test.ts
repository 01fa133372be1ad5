import mongoose, { type Connection, mongo } from 'mongoose';
import { TranscriptCache } from '../../src/transcription/transcript-cache.js';
import type { Ledger } from '../../src/uploads/ledger.js';
import type { Upload } from '../../src/uploads/upload.schema.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';

const ENGINE = 'test/1';

describe('the transcript cache', () => {
  let connection: Connection;
  let rows: mongo.Collection<Upload>;
  let cache: TranscriptCache;
  const finds: string[] = [];

  beforeAll(async () => {
    const options = { dbName: uniqueDatabase(), monitorCommands: true };
    connection = await mongoose.createConnection(testMongoUri(), options).asPromise();
    connection.getClient().on('commandStarted', ({ commandName }) => commandName === 'find' && finds.push(commandName));
    rows = connection.db!.collection<Upload>('uploads');
    await rows.createIndex({ sha256: 1, user_id: 1 });
    cache = new TranscriptCache({ rows } as Ledger);
  });
  beforeEach(async () => {
    await rows.deleteMany({});
    finds.length = 0;
  });
  afterAll(async () => {
    await connection.dropDatabase();
    await connection.close();
  });

  const row = (user_id: string, sha256: string, language: string | null = 'en') =>
    ({ _id: new mongo.ObjectId(), user_id, sha256, language }) as Upload;
  const transcribed = (user_id: string, sha256: string, text: string, transcriber = ENGINE) =>
    rows.insertOne({
      ...row(user_id, sha256),
      transcript: { text, segments: [], language: 'en', duration: 1, transcriber },
    });
  const texts = async (asked: Upload[]) =>
    (await Promise.all(asked.map((one) => cache.find(one, ENGINE)))).map((found) => found?.text ?? null);

  it('answers many that ask together in a few commands, each of its own bytes and its own user', async () => {
    for (const user of ['alice', 'bob'])
      for (const sha of ['1', '2', '3']) await transcribed(user, sha, `${user} said ${sha}`);
    await transcribed('carol', '4', 'only hers');
    const asked = ['alice', 'bob', 'carol'].flatMap((user) => ['1', '2', '3', '4'].map((sha) => row(user, sha)));
    expect(await texts(asked)).toEqual([
      ...['1', '2', '3'].map((sha) => `alice said ${sha}`),
      null,
      ...['1', '2', '3'].map((sha) => `bob said ${sha}`),
      null,
      ...[null, null, null, 'only hers'],
    ]);
    expect(finds.length).toBeLessThan(4);
  });

  it('finds what is one user’s however many copies another has of something else', async () => {
    await rows.insertMany(Array.from({ length: 60 }, () => row('alice', '1')));
    await transcribed('bob', '2', 'bob said 2');
    // The first goes alone, the others together.
    const asked = [row('carol', '9'), row('alice', '1'), row('bob', '2'), row('carol', '8')];
    expect(await texts(asked)).toEqual([null, null, 'bob said 2', null]);
  });

  it('knows nothing of another language, another engine, or bytes that were not transcribed yet', async () => {
    await transcribed('alice', '1', 'in English');
    await transcribed('alice', '2', 'by another', 'test/2');
    await rows.insertOne(row('alice', '3'));
    const asked = [row('alice', '1', 'de'), row('alice', '2'), row('alice', '3'), row('alice', '1')];
    expect(await texts(asked)).toEqual([null, null, null, 'in English']);
    // Alone, too.
    expect([await texts([asked[0]!]), await texts([asked[3]!])]).toEqual([[null], ['in English']]);
  });
});
