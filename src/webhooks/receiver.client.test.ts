import { jest } from '@jest/globals';
import type { LookupAddress } from 'node:dns';
import type { Config } from '../config/config.js';

// A name server that says nothing for minutes cannot be had by a name.
const lookup = jest.fn<() => Promise<LookupAddress[]>>();
const resolve4 = jest.fn<() => Promise<string[]>>();
const resolve6 = jest.fn<() => Promise<string[]>>();
class Resolver {
  resolve4 = resolve4;
  resolve6 = resolve6;
}
jest.unstable_mockModule('node:dns', () => ({ promises: { lookup, Resolver } }));
const { ReceiverClient } = await import('./receiver.client.js');

const never = () => new Promise<never>(() => undefined);
const none = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENODATA' }));
const clientWith = (WEBHOOK_ALLOW_PRIVATE: boolean) =>
  new ReceiverClient({ WEBHOOK_TIMEOUT_S: 3, WEBHOOK_ALLOW_PRIVATE } as Config);

describe('ReceiverClient', () => {
  beforeEach(() => void jest.clearAllMocks());
  afterEach(() => void jest.useRealTimers());

  it('does not wait for a name server beyond its time: where a name leads is looked at again by each connection', async () => {
    resolve4.mockImplementation(never);
    resolve6.mockImplementation(never);
    const client = clientWith(false);
    jest.useFakeTimers();
    const checked = client.check('slow.example');
    expect(resolve4).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(3000);
    await expect(checked).resolves.toBeUndefined();
    // Nor does a thread of the process, which looks up the names of MongoDB, Redis and S3 too.
    expect(lookup).not.toHaveBeenCalled();
    jest.useRealTimers();
    await client.onApplicationShutdown();
  });

  it.each([
    ['one of the addresses is a private one', 'mixed.example', () => Promise.resolve(['93.184.215.14']), ['fd00::1']],
    ['the only family leads to a private one', 'inside.example', () => Promise.resolve(['10.0.0.1']), null],
    ['it is a name of this host', 'some.LOCALHOST.', none, null],
  ])('refuses a name where %s', async (_, name, four, six) => {
    resolve4.mockImplementation(four);
    resolve6.mockImplementation(six ? () => Promise.resolve(six) : none);
    const client = clientWith(false);
    await expect(client.check(name)).rejects.toMatchObject({ code: 'address_refused' });
    await client.onApplicationShutdown();
  });

  it('takes a name of which only one family has addresses, and one that leads nowhere yet', async () => {
    resolve4.mockImplementation(none);
    const client = clientWith(false);
    for (const six of [() => Promise.resolve(['2606:2800:21f:cb07::1']), none]) {
      resolve6.mockImplementation(six);
      await expect(client.check('some.example')).resolves.toBeUndefined();
    }
    await client.onApplicationShutdown();
  });

  it('asks the system, with its hosts file, where receivers may be on the own network', async () => {
    lookup.mockResolvedValue([{ address: '127.0.0.1', family: 4 }]);
    const client = clientWith(true);
    await expect(client.check('localhost')).resolves.toBeUndefined();
    expect(lookup).toHaveBeenCalledWith('localhost', { all: true });
    expect(resolve4).not.toHaveBeenCalled();
    await client.onApplicationShutdown();
  });
});
