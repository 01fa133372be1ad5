import { AppError } from './app-error.js';

const CHECK_TIMEOUT_MS = 2000;

/** What one dependency is like. `reason` is short and safe to show to anyone. */
export interface CheckResult {
  state: 'up' | 'down';
  /** Whether the service cannot work without it. */
  required: boolean;
  duration_ms: number;
  reason?: string;
}

export interface HealthReport {
  /** `degraded`: something is down that the service can do without for a while. */
  status: 'ready' | 'degraded' | 'unavailable';
  checks: Record<string, CheckResult>;
}

/** Resolves when the dependency works; may resolve to a short note. Rejects with an `AppError` whose message may be shown. */
export type HealthCheck = () => Promise<string | void>;

interface Registered {
  check: HealthCheck;
  required: boolean;
  running?: Promise<string | void>;
}

/** What readiness consists of. Features register their own checks; injectable by its class. */
export class HealthRegistry {
  private readonly checks = new Map<string, Registered>();

  /** @param required false for what the service can do without for a while, such as Redis */
  register(name: string, check: HealthCheck, { required = true } = {}): void {
    this.checks.set(name, { check, required });
  }

  /** Runs all checks at once, each within 2 s. Never rejects. */
  async report(): Promise<HealthReport> {
    const results = await Promise.all(
      [...this.checks].map(async ([name, entry]) => [name, await examine(entry)] as const),
    );
    const down = results.filter(([, result]) => result.state === 'down');
    const status = down.some(([, result]) => result.required) ? 'unavailable' : down.length > 0 ? 'degraded' : 'ready';
    return { status, checks: Object.fromEntries(results) };
  }
}

async function examine(entry: Registered): Promise<CheckResult> {
  const started = performance.now();
  const took = () => Math.round((performance.now() - started) * 10) / 10;
  // A check that hangs is not started a second time: probes must not pile up on a dependency in trouble.
  entry.running ??= Promise.resolve()
    .then(entry.check)
    .finally(() => {
      entry.running = undefined;
    });
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new AppError('unavailable', 'check_timeout', 'no answer within 2 s')),
      CHECK_TIMEOUT_MS,
    );
  });
  try {
    const note = await Promise.race([entry.running, limit]);
    return { state: 'up', required: entry.required, duration_ms: took(), ...(note ? { reason: note } : {}) };
  } catch (error) {
    return { state: 'down', required: entry.required, duration_ms: took(), reason: reasonOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Only our own sentences are shown: a driver's message may hold hosts and credentials. */
function reasonOf(error: unknown): string {
  if (error instanceof AppError) return error.message;
  if (!(error instanceof Error)) return 'failed';
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[A-Z_]{2,40}$/.test(code) ? code : error.name;
}
