import { AppError } from './app-error.js';
import { isMongoAway } from './mongo-errors.js';

const refused = (): Error => Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' });

describe('MongoDB being away', () => {
  it('is told from its socket, however deep', () => {
    expect(isMongoAway(refused())).toBe(true);
    expect(isMongoAway(new Error('a write failed', { cause: refused() }))).toBe(true);
  });

  it('is not told from the socket of something else, which was translated where it broke', () => {
    const archive = new AppError('unavailable', 'archive_away', 'The archive cannot be reached', { cause: refused() });
    expect(isMongoAway(archive)).toBe(false);
    expect(isMongoAway(new Error('not erased', { cause: archive }))).toBe(false);
  });
});
