import { setTimeout as wait } from 'node:timers/promises';
import OpenAI from 'openai';
import { Agent } from 'undici';
import { TransientError, type AppError } from '../common/app-error.js';
import type { Config } from '../config/config.js';
import { fetchThrough } from './light-fetch.js';
import { judge, timedOut, type Engine, type Verdict } from './openai-errors.js';

/**
 * Waits that the endpoint asks for are kept within the attempt while they are no longer than this together, which is short beside
 * the time of a scoring. The ledger schedules a longer one.
 */
const LONGEST_WAIT_MS = 10_000;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 8_000;
const LONGEST_CONNECT_MS = 10_000;
/** Bytes of an answer: the times of every segment of hours of speech are some MiB. */
const LARGEST_ANSWER = 32 * 2 ** 20;
/** The longest that a timer takes. */
const NO_LIMIT_MS = 2 ** 31 - 1;
/** For how long a refused key is reported by `check`, so that a process with no work does not stay unready for ever. */
const REFUSAL_REPORTED_MS = 5 * 60_000;

/** A connection to one OpenAI-compatible endpoint: its client, retries, time limit and errors. */
export class OpenAiEndpoint {
  private readonly agent: Agent;
  private readonly client: OpenAI;
  private refusal: { error: AppError; at: number } | null = null;

  constructor(
    private readonly config: Config,
    private readonly engine: Engine,
  ) {
    // Node's own fetch gives up after 300 s whatever it is told, and keeps its connections from being closed.
    this.agent = new Agent({
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 30_000,
      maxResponseSize: LARGEST_ANSWER,
      // An endpoint that is not there is known before the time of a request is over, and told from one that is slow.
      connect: { timeout: Math.min(LONGEST_CONNECT_MS, config.OPENAI_TIMEOUT_S * 500) },
    });
    this.client = new OpenAI({
      apiKey: config.OPENAI_API_KEY ?? 'unset',
      adminAPIKey: null,
      baseURL: config.OPENAI_BASE_URL ?? 'https://api.openai.com/v1',
      organization: null,
      project: null,
      // Bodies are streams that the client could not send again: retries are made here, with a fresh body each.
      maxRetries: 0,
      // Ends with the headers, and ours does not.
      timeout: NO_LIMIT_MS,
      logLevel: 'off',
      fetch: fetchThrough(this.agent),
    });
  }

  /**
   * Makes one request, again where the endpoint's answer allows it: at most `OPENAI_MAX_RETRIES` times, after the wait it
   * asked for, else after 0.5 s, doubled each time. A request that ran out of time (`OPENAI_TIMEOUT_S`, or `longS`) is not repeated
   * within the attempt.
   *
   * @param longS seconds that it may take where that is more, asked again when the time is over
   * @param send makes the request afresh; `signal` ends it
   * @throws AppError as `judge` translates it, `TransientError` with `retryAfter` once its waits come to over 10 s, the signal's
   *   reason when aborted
   */
  async call<T>(
    signal: AbortSignal,
    send: (client: OpenAI, signal: AbortSignal) => Promise<T>,
    longS: () => number = () => 0,
  ): Promise<T> {
    let waitedMs = 0;
    for (let retries = 0; ; retries++) {
      const outcome = await this.once(signal, send, longS);
      if ('value' in outcome) return outcome.value;
      const { error, again, waitMs } = outcome.verdict;
      if (!again || retries >= this.config.OPENAI_MAX_RETRIES) throw error;
      const backoff = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** retries) * (1 - Math.random() / 4);
      waitedMs += waitMs ?? 0;
      if (waitedMs > LONGEST_WAIT_MS) throw error;
      await wait(waitMs ?? backoff, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  /** Rejects for some minutes after the endpoint has refused the key; asks the endpoint nothing. */
  async check(): Promise<void> {
    if (this.config.OPENAI_API_KEY === null) {
      throw new TransientError('engine_no_key', `The ${this.engine} engine has no key: set OPENAI_API_KEY.`);
    }
    if (this.refusal && performance.now() - this.refusal.at < REFUSAL_REPORTED_MS) throw this.refusal.error;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async once<T>(
    signal: AbortSignal,
    send: (client: OpenAI, signal: AbortSignal) => Promise<T>,
    longS: () => number,
  ): Promise<{ value: T } | { verdict: Verdict }> {
    signal.throwIfAborted();
    const limit = new AbortController();
    const forward = () => limit.abort(signal.reason);
    signal.addEventListener('abort', forward, { once: true });
    let late = false;
    const begun = performance.now();
    const end = () => {
      const left = longS() * 1000 - (performance.now() - begun);
      if (left > 0) {
        timer = setTimeout(end, left);
        return;
      }
      late = true;
      limit.abort();
    };
    let timer = setTimeout(end, this.config.OPENAI_TIMEOUT_S * 1000);
    try {
      const value = await send(this.client, limit.signal);
      this.refusal = null;
      return { value };
    } catch (thrown) {
      signal.throwIfAborted();
      if (late) return { verdict: { error: timedOut(this.engine), again: false, waitMs: null } };
      const verdict = judge(this.engine, thrown, this.config.OPENAI_API_KEY ?? '');
      if (verdict.error.code === 'engine_rejected_key') this.refusal = { error: verdict.error, at: performance.now() };
      return { verdict };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', forward);
    }
  }
}
