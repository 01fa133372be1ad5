import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import {
  describeDurable,
  type PrivateServer,
  startMongo,
  startRedis,
  testMongoUri,
  uniqueDatabase,
} from '../support/servers.js';

async function withCollection<T>(uri: string, use: (notes: mongoose.mongo.Collection) => Promise<T>): Promise<T> {
  const client = new mongoose.mongo.MongoClient(uri, { serverSelectionTimeoutMS: 5000 });
  try {
    return await use(client.db('faults').collection('notes'));
  } finally {
    await client.close();
  }
}

describe('the servers that tests share', () => {
  it('answer, and give every test file a database of its own', async () => {
    const client = new mongoose.mongo.MongoClient(testMongoUri());
    try {
      const notes = client.db(uniqueDatabase()).collection('notes');
      await notes.insertOne({ text: 'one' });
      expect(await client.db(uniqueDatabase()).collection('notes').countDocuments()).toBe(0);
      expect(await notes.countDocuments()).toBe(1);
    } finally {
      await client.close();
    }
  });
});

describeDurable('a MongoDB that is killed', () => {
  let mongo: PrivateServer;
  beforeAll(async () => {
    mongo = await startMongo();
  });
  afterAll(() => mongo.stop());

  it('has every acknowledged write when it is started again', async () => {
    await withCollection(mongo.uri, async (notes) => {
      for (let number = 0; number < 50; number++)
        await notes.insertOne({ number }, { writeConcern: { w: 'majority', j: true } });
    });
    await mongo.kill('SIGKILL');
    await mongo.restart();
    expect(await withCollection(mongo.uri, (notes) => notes.countDocuments())).toBe(50);
  });

  it('answers nothing while it is paused, and goes on afterwards', async () => {
    mongo.pause();
    const client = new mongoose.mongo.MongoClient(mongo.uri, { serverSelectionTimeoutMS: 300 });
    await expect(client.db('admin').command({ ping: 1 })).rejects.toThrow();
    await client.close();
    mongo.resume();
    await withCollection(mongo.uri, (notes) => notes.countDocuments());
  });
});

describe('a Redis that is killed', () => {
  it('starts again on the same port', async () => {
    const server = await startRedis();
    const client = new Redis(server.uri);
    client.on('error', () => undefined);
    try {
      expect(await client.ping()).toBe('PONG');
      const first = server.pid;
      await server.kill();
      await server.restart();
      expect(server.pid).not.toBe(first);
      expect(await client.ping()).toBe('PONG');
      await client.quit();
    } finally {
      client.disconnect();
      await server.stop();
    }
  });
});
