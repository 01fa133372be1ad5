import { once } from 'node:events';
import { connect } from 'node:net';
import { expectedWords, TransientError } from './app-error.js';

/** What a connection fails with for which nobody listens at these addresses. */
async function refusal(...addresses: string[]): Promise<unknown> {
  const all = addresses.map((address) => ({ address, family: 4 }));
  const socket = connect({
    host: 'db.test',
    port: 1,
    autoSelectFamily: true,
    lookup: (_host, _how, tell) => tell(null, all),
  });
  return once(socket, 'connect').catch((error: unknown) => error);
}

describe('what is told at a terminal', () => {
  it.each([
    ['one address', ['127.0.0.1'], 'connect ECONNREFUSED 127.0.0.1:1'],
    [
      'each of several',
      ['127.0.0.1', '127.0.0.2'],
      'connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED 127.0.0.2:1',
    ],
  ])('names %s at which nobody listens', async (_what, addresses, words) => {
    expect(expectedWords(await refusal(...addresses))).toBe(words);
  });

  it('is the message of an error of ours, and nothing of one that nobody has foreseen', () => {
    expect(expectedWords(new TransientError('engine_no_key', 'Set it.'))).toBe('Set it.');
    for (const error of [new Error('oops'), 'oops', null, undefined]) expect(expectedWords(error)).toBeNull();
  });
});
