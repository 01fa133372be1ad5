import { Webhook as Reference } from 'standardwebhooks';
import { newSecret, signedHeaders } from './signature.js';

describe('a signature', () => {
  const body = '{"type":"answer.completed","timestamp":"2026-05-04T09:31:02.120Z","data":{"note":"für Ärzte"}}';

  it('is good for the reference library', () => {
    const secret = newSecret();
    const headers = signedHeaders('msg_1', new Date(), body, [secret]);
    expect(new Reference(secret).verify(body, headers)).toEqual(JSON.parse(body));
  });

  it('is good with either secret while one is rotated, and with no other', () => {
    const secrets = [newSecret(), newSecret()];
    const headers = signedHeaders('msg_1', new Date(), body, secrets);
    for (const secret of secrets) expect(new Reference(secret).verify(body, headers)).toBeTruthy();
    expect(() => new Reference(newSecret()).verify(body, headers)).toThrow();
  });

  it('is of this id, time and body alone', () => {
    const secret = newSecret();
    const headers = signedHeaders('msg_1', new Date(), body, [secret]);
    const reference = new Reference(secret);
    expect(() => reference.verify(body, { ...headers, 'webhook-id': 'msg_2' })).toThrow();
    expect(() => reference.verify(`${body} `, headers)).toThrow();
    const old = signedHeaders('msg_1', new Date(Date.now() - 3_600_000), body, [secret]);
    expect(() => reference.verify(body, old)).toThrow();
  });
});
