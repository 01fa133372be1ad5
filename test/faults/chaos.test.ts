import { engineKeepsData } from '../support/servers.js';
import { Chaos } from './chaos.js';

const SECONDS = 60;
/** In the name of the test, so that a run that failed can be had again: FAULTS_SEED=7 scripts/test chaos. */
const SEED = Number(process.env['FAULTS_SEED'] ?? 4);

describe('everything that can be killed, killed under load', () => {
  it(`loses no acknowledged answer, doubles none, and leaves nothing behind (FAULTS_SEED=${SEED})`, async () => {
    const result = await Chaos.run({ seconds: SECONDS, seed: SEED, mongoKeepsData: engineKeepsData() });
    expect(result.unexpected).toEqual([]);
    expect(result.lost).toEqual([]);
    expect(result.doubled).toEqual([]);
    expect(result.untold).toEqual([]);
    expect(result.failed).toEqual([]);
    expect(result.orphans).toEqual([]);
    expect(result.kills).toBeGreaterThan(9);
    expect(result.acknowledged).toBeGreaterThan(60);
  });
});
