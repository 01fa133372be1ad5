/**
 * Seconds that this process computes while `work` is done. What takes too long is told by it on any machine: how long it has to wait for
 * others is not in it, nor what child processes do.
 */
export async function cpuSeconds(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
