import { Gate } from './gate.js';

describe('a gate', () => {
  it('lets no more run at once than it is wide, and everyone in the end, in order', async () => {
    const gate = new Gate(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const all = [0, 1, 2, 3].map((index) =>
      gate.run(() => {
        begun.push(index);
        return new Promise<void>((resolve) => ends.push(resolve));
      }),
    );
    expect(begun).toEqual([0, 1]);
    ends[0]!();
    await all[0];
    expect(begun).toEqual([0, 1, 2]);
    ends[1]!();
    await all[1];
    ends[2]!();
    ends[3]!();
    await Promise.all(all);
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  it('opens again after work that failed', async () => {
    const gate = new Gate(1);
    await expect(gate.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gate.run(async () => 'yes')).toBe('yes');
  });
});
