import { promises as dns } from 'node:dns';
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
/** How long a name server may take, at first; asked twice. */
const NAME_TIMEOUT_MS = 2500;
/** RFC 6761, section 6.3: no name server is asked for it. */
const LOCALHOST = /(^|\.)localhost\.?$/i;

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
    const take = (addresses: LookupAddress[]) => {
      if (!this.config.WEBHOOK_ALLOW_PRIVATE && addresses.some(({ address }) => isPrivateAddress(address)))
        return callback(refused());
      const [first] = addresses;
      if (options.all || !first) return callback(null, addresses);
      callback(null, first.address, first.family);
    };
    this.addressesOf(hostname, options).then(take, callback);
  }

  private async addressesOf(hostname: string, options: LookupOptions): Promise<LookupAddress[]> {
    // The operator's own network: its names may be in a hosts file, or be found in a search domain.
    if (this.config.WEBHOOK_ALLOW_PRIVATE) return dns.lookup(hostname, { ...options, all: true });
    if (LOCALHOST.test(hostname)) throw refused();
    // Not by `lookup`, for which a thread waits, one of two for all names that the process looks up: those of MongoDB, Redis and S3
    // would wait for the name servers of users.
    // A new one each time, which knows the name servers of now.
    const resolver = new dns.Resolver({ timeout: NAME_TIMEOUT_MS, tries: 2 });
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const found = [
      ...(v4.status === 'fulfilled' ? v4.value.map((address) => ({ address, family: 4 })) : []),
      ...(v6.status === 'fulfilled' ? v6.value.map((address) => ({ address, family: 6 })) : []),
    ];
    if (found.length === 0 && v4.status === 'rejected') throw v4.reason;
    return found;
  }

  private translated(cause: unknown, isLate: boolean): AppError {
    const known = [cause, (cause as Error | undefined)?.cause].find((error) => error instanceof AppError);
    if (known) return known;
    const { code = '', name = '' } = (cause ?? {}) as NodeJS.ErrnoException;
    if (isLate || name.includes('Timeout') || /^UND_.*TIMEOUT/.test(code)) {
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
