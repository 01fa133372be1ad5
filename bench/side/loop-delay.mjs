// Preloaded into the API process (node --import): on SIGUSR2 it prints how late the event loop was, and starts again.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on('SIGUSR2', () => {
  const late = (ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
  const line = { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) };
  console.log(`LOOP_DELAY ${JSON.stringify(line)}`);
  delay.reset();
});
