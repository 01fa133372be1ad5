import { jest } from '@jest/globals';
import type { Config } from '../config/config.js';

// A name server that says nothing for minutes cannot be had by a name.
const lookup = jest.fn();
jest.unstable_mockModule('node:dns', () => ({ lookup }));
const { ReceiverClient } = await import('./receiver.client.js');

describe('ReceiverClient', () => {
  afterEach(() => void jest.useRealTimers());

  it('does not wait for a name server beyond its time: where a name leads is looked at again by each connection', async () => {
    const client = new ReceiverClient({ WEBHOOK_TIMEOUT_S: 3, WEBHOOK_ALLOW_PRIVATE: false } as Config);
    jest.useFakeTimers();
    const checked = client.check('slow.example');
    expect(lookup).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(3000);
    await expect(checked).resolves.toBeUndefined();
    jest.useRealTimers();
    await client.onApplicationShutdown();
  });
});
