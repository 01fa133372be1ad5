// Preloaded into the API process (node --import): on SIGUSR2 it prints how late the event loop was, and starts again. What the
// process waited for a core (Linux: /proc/self/schedstat) is told apart: that is the machine's doing, not the program's.
import { readFileSync } from 'node:fs';

const EVERY_MS = 10;
let late = [];
let waited = [];
let last = performance.now();
let lastWait = waitMs();

function waitMs() {
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

setInterval(() => {
  const [now, wait] = [performance.now(), waitMs()];
  const total = Math.max(0, now - last - EVERY_MS);
  late.push(Math.max(0, total - (wait - lastWait)));
  waited.push(total);
  [last, lastWait] = [now, wait];
}, EVERY_MS).unref();

process.on('SIGUSR2', () => {
  const of = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  };
  console.log(`LOOP_DELAY ${JSON.stringify({ ...of(late), withWaiting: of(waited) })}`);
  late = [];
  waited = [];
});
