import { jest } from '@jest/globals';
import { engineKeepsData } from '../support/servers.js';
import { Chaos } from './chaos.js';

jest.setTimeout(240_000);

describe('everything that can be killed, killed under load', () => {
  it('loses no acknowledged answer, doubles none, and leaves nothing behind', async () => {
    const result = await Chaos.run({ seconds: 20, seed: 4, mongoKeepsData: engineKeepsData() });
    expect(result.unexpected).toEqual([]);
    expect(result.lost).toEqual([]);
    expect(result.doubled).toEqual([]);
    expect(result.untold).toEqual([]);
    expect(result.failed).toEqual([]);
    expect(result.orphans).toEqual([]);
    expect(result.kills).toBeGreaterThan(3);
    expect(result.acknowledged).toBeGreaterThan(20);
  });
});
