import { loadConfig } from '../config/config.js';
import { SecretBox } from './secret-box.js';

const boxWith = (key?: string) => new SecretBox(loadConfig({ WEBHOOK_ENCRYPTION_KEY: key }));
const key = 'k'.repeat(32);

describe('a webhook secret at rest', () => {
  it('is encrypted where there is a key, differently each time, and can be read again', () => {
    const [one, two] = [boxWith(key).close('whsec_x', 'a'), boxWith(key).close('whsec_x', 'a')];
    expect(one).not.toContain('whsec_x');
    expect(one).not.toBe(two);
    expect(boxWith(key).open(one, 'a')).toBe('whsec_x');
  });

  it('cannot be read with another key, without one, or as the secret of another webhook', () => {
    const kept = boxWith(key).close('whsec_x', 'a');
    for (const read of [
      () => boxWith('z'.repeat(32)).open(kept, 'a'),
      () => boxWith().open(kept, 'a'),
      () => boxWith(key).open(kept, 'b'),
    ])
      expect(read).toThrow(expect.objectContaining({ code: 'secret_unreadable' }));
  });

  it('is kept as it is without a key, and stays readable once there is one', () => {
    const kept = boxWith().close('whsec_x', 'a');
    expect(kept).toBe('whsec_x');
    expect(boxWith(key).open(kept, 'a')).toBe('whsec_x');
  });
});
