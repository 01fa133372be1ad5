import { lookup } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Agent, request } from 'undici';
import { AppError, PermanentError, TransientError } from '../common/app-error.js';
import { Config } from '../config/config.js';
import { isPrivateAddress } from './private-address.js';

/** Of an answer, what is read so that its connection can be used again; more is cut off. */
const MOST_READ_BYTES = 64 * 1024;
const LONGEST_WAIT_S = 36_000;

export interface ReceiverAnswer {
  status: number;
  /** Seconds, when the receiver asked for a time. */
  retryAfterS: number | null;
}

type LookupCallback = (error: Error | null, address?: string | LookupAddress[], family?: number) => void;

/**
 * Posts to servers that users named. Addresses are checked where a connection is made, so that a name which leads elsewhere
 * since it was looked at gets no further; redirects are not followed.
 */
@Injectable()
export class ReceiverClient implements OnApplicationShutdown {
  private readonly agent: Agent;

  constructor(private readonly config: Config) {
    const limitMs = config.WEBHOOK_TIMEOUT_S * 1000;
    this.agent = new Agent({
      connect: { lookup: this.lookup.bind(this), timeout: limitMs } as Agent.Options['connect'],
      headersTimeout: limitMs,
      bodyTimeout: limitMs,
      keepAliveTimeout: 5000,
      maxHeaderSize: 16 * 1024,
      pipelining: 1,
    });
  }

  /**
   * @param signal ends the request from outside
   * @throws PermanentError `address_refused`; TransientError `timeout`, `connection_failed` with a sentence why
   */
  async post(url: string, headers: Record<string, string>, body: string, signal: AbortSignal): Promise<ReceiverAnswer> {
    this.refuseLiteral(new URL(url).hostname);
    const limit = AbortSignal.timeout(this.config.WEBHOOK_TIMEOUT_S * 1000);
    try {
      const response = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'Vivavoce-Webhooks/1', ...headers },
        body,
        dispatcher: this.agent,
        signal: AbortSignal.any([signal, limit]),
      });
      await discard(response.body).catch(() => undefined);
      return { status: response.statusCode, retryAfterS: retryAfter(response.headers['retry-after']) };
    } catch (cause) {
      throw this.translated(cause, limit.aborted);
    }
  }

  /**
   * @throws PermanentError when a name leads to an address that is refused; nothing while it leads nowhere, or nobody says where
   * within `WEBHOOK_TIMEOUT_S`: a connection looks again
   */
  async check(hostname: string): Promise<void> {
    this.refuseLiteral(hostname);
    if (isIP(bare(hostname))) return;
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(resolve, this.config.WEBHOOK_TIMEOUT_S * 1000);
      this.lookup(hostname, {}, (error) => {
        clearTimeout(limit);
        if (error instanceof PermanentError) reject(error);
        else resolve();
      });
    });
  }

  /** A connection to a literal address asks nobody for it. */
  private refuseLiteral(hostname: string): void {
    const literal = bare(hostname);
    if (isIP(literal) && !this.config.WEBHOOK_ALLOW_PRIVATE && isPrivateAddress(literal)) throw refused();
  }

  private lookup(hostname: string, options: LookupOptions, callback: LookupCallback): void {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error);
      if (!this.config.WEBHOOK_ALLOW_PRIVATE && addresses.some(({ address }) => isPrivateAddress(address)))
        return callback(refused());
      const [first] = addresses;
      if (options.all || !first) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  }

  private translated(cause: unknown, isLate: boolean): AppError {
    const known = [cause, (cause as Error | undefined)?.cause].find((error) => error instanceof AppError);
    if (known) return known;
    const { code = '', name = '' } = (cause ?? {}) as NodeJS.ErrnoException;
    if (isLate || name.includes('Timeout') || code.includes('TIMEOUT')) {
      return new TransientError('timeout', `No answer within ${this.config.WEBHOOK_TIMEOUT_S} seconds`, { cause });
    }
    const why = /^[A-Z][A-Z0-9_]{2,40}$/.test(code) ? ` (${code})` : '';
    return new TransientError('connection_failed', `The receiver could not be reached${why}`, { cause });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }
}

function refused(): PermanentError {
  return new PermanentError('address_refused', 'The address is a private one, or not one that webhooks may go to');
}

/** An IPv6 address without the brackets that a URL puts around it. */
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

async function discard(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<void> {
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > MOST_READ_BYTES) break;
  }
}

function retryAfter(header: string | string[] | undefined): number | null {
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined) return null;
  const wanted = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(wanted) && wanted > 0 ? Math.min(wanted, LONGEST_WAIT_S) : null;
}
