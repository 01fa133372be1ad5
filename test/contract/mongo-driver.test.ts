import { mongo } from 'mongoose';
import { endWritesOfEndedConnections } from '../../src/common/mongo-driver.js';
import { isMongoAway } from '../../src/common/mongo-errors.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** More than the buffers on the way take. */
const DOCUMENTS = 3;
const DOCUMENT_BYTES = 15 * 2 ** 20;

describe('a command that waits for room in its socket', () => {
  let network: TcpProxy;
  let client: mongo.MongoClient;
  beforeAll(async () => {
    endWritesOfEndedConnections();
    network = await TcpProxy.start(() => [Number(new URL(testMongoUri()).port)]);
    const quick = { serverSelectionTimeoutMS: 500, heartbeatFrequencyMS: 500, connectTimeoutMS: 500 };
    client = new mongo.MongoClient(`mongodb://127.0.0.1:${network.port}/?directConnection=true`, quick);
  });
  afterAll(async () => {
    await client.close(true);
    await network.close();
  });

  it('fails when its connection is given up, as what waits for an answer does', async () => {
    const documents = client.db(uniqueDatabase()).collection('documents');
    await documents.findOne();
    network.stall();
    const large = Array.from({ length: DOCUMENTS }, () => ({ data: Buffer.alloc(DOCUMENT_BYTES) }));
    const failure: unknown = await documents.insertMany(large).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(isMongoAway(failure)).toBe(true);
  });
});
