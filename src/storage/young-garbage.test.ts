import { YoungGarbage, collectYoung, waits } from './young-garbage.js';

const MIB = 2 ** 20;

describe('YoungGarbage', () => {
  it('collects once for every 12 MiB that passed, however they came', () => {
    let collected = 0;
    const garbage = new YoungGarbage(() => (collected += 1));
    for (let piece = 0; piece < 11; piece += 1) garbage.count(MIB);
    expect(collected).toBe(0);
    garbage.count(MIB);
    expect(collected).toBe(1);
    garbage.count(30 * MIB);
    expect(collected).toBe(2);
    garbage.count(11 * MIB);
    expect(collected).toBe(2);
  });

  it('frees bytes outside of the heap whose owner is young', async () => {
    const garbage = new YoungGarbage(collectYoung());
    const before = process.memoryUsage().arrayBuffers;
    // More than lies about already, so that freeing that alone does not do.
    for (let piece = 0; piece < 11; piece += 1) Buffer.allocUnsafeSlow(MIB);
    expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(0);
    garbage.count(12 * MIB);
    // V8 frees them on a thread of its own.
    for (let turn = 0; turn < 1000 && process.memoryUsage().arrayBuffers > before; turn += 1)
      await new Promise(setImmediate);
    expect(process.memoryUsage().arrayBuffers).toBeLessThanOrEqual(before);
    expect('gc' in globalThis).toBe(false);
  });

  it('is needed from V8 13 on', () => {
    expect(waits('11.3.244.8-node.33')).toBe(false);
    expect(waits('12.4.254.21-node.57')).toBe(false);
    expect(waits('13.6.233.17-node.50')).toBe(true);
  });
});
