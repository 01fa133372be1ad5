import { mongo } from 'mongoose';
import { AppError } from './app-error.js';
import { areDuplicateKeys, isMongoAway, isMongoFull, isTooLarge } from './mongo-errors.js';

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

describe('MongoDB being full', () => {
  const said = (message: string, code: number) => new mongo.MongoServerError({ message, code });

  it('is told by its codes, and by what the system says of the disk, whatever the code', () => {
    expect(isMongoFull(said('out of room', 14031))).toBe(true);
    expect(isMongoFull(said('28: No space left on device', 8))).toBe(true);
    const inEngine = said('WtError { code: 28, message: "No space left on device" }', 1);
    expect(isMongoFull(new Error('a write failed', { cause: inEngine }))).toBe(true);
  });

  it('is not told by what is wrong with another disk, or with a document', () => {
    expect(isMongoFull(new Error('ENOSPC: No space left on device'))).toBe(false);
    expect(isMongoFull(said('E11000 duplicate key error', 11000))).toBe(false);
  });
});

describe('a document that would be too large', () => {
  const refused = (code: number) => new mongo.MongoServerError({ message: 'Resulting document after update …', code });

  it.each([
    ['with a name, BSONObjectTooLarge', 10334],
    ['without one, of an update', 17419],
    ['without one, of a document that replaces another', 17420],
  ])('is told by its code, %s', (_which, code) => {
    expect(isTooLarge(refused(code))).toBe(true);
  });

  it('is not told by other refusals', () => {
    for (const error of [refused(11000), refused(14031), new Error('of no write'), null])
      expect(isTooLarge(error)).toBe(false);
  });
});

describe('an insert of many', () => {
  const failed = (...codes: number[]) => {
    const writeErrors = codes.map((code, index) => ({ code, index })) as never;
    return new mongo.MongoBulkWriteError({ message: 'first', code: codes[0]!, writeErrors }, {} as never);
  };

  it('lost nothing when all that failed was there already', () => {
    expect(areDuplicateKeys(failed(11000, 11000))).toBe(true);
  });

  it('lost something when one failed for another reason, whatever the first says', () => {
    expect(areDuplicateKeys(failed(11000, 14031))).toBe(false);
    expect(areDuplicateKeys(failed(14031, 11000))).toBe(false);
    expect(areDuplicateKeys(Object.assign(new Error('of no write'), { code: 11000 }))).toBe(false);
  });
});
