import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Json } from './service.js';
import type { Caller } from './service.js';

export const BOUNDARY = 'a-boundary-of-the-test';

/** The head of a part that holds a file. */
export const filePart = (name = 'audio', filename = 'answer.webm', type = 'audio/webm'): string =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\n` +
  `Content-Type: ${type}\r\n\r\n`;

export const END = `\r\n--${BOUNDARY}--\r\n`;

export interface RawReply {
  status: number;
  headers: Record<string, string>;
  body: Json;
}

/** One upload request by hand, on a connection of its own: it may stop, break off or lie at any point. */
export class RawUpload {
  private received = Buffer.alloc(0);
  private readonly changed = new Set<() => void>();
  private ended = false;
  private isReset = false;

  private constructor(
    private readonly socket: Socket,
    private readonly chunked: boolean,
  ) {
    socket.on('data', (data: Buffer) => {
      this.received = Buffer.concat([this.received, data]);
      this.tell();
    });
    socket.on('error', () => (this.isReset = true));
    socket.on('close', () => {
      this.ended = true;
      this.tell();
    });
  }

  /**
   * @param length of the body in bytes as it is announced; null for a chunked body
   * @param more headers, in place of others of their names
   */
  static async begin(
    caller: Caller,
    path: string,
    length: number | null,
    more: Record<string, string> = {},
  ): Promise<RawUpload> {
    const { hostname, port } = new URL(caller.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const upload = new RawUpload(socket, length === null);
    const headers = {
      Host: hostname,
      Authorization: caller.authorization,
      'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`,
      ...(length === null ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(length) }),
      ...more,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return upload;
  }

  get isClosed(): boolean {
    return this.ended;
  }

  /** Whether the connection was closed under what was being sent: who reads only afterwards finds no answer any more. */
  get wasReset(): boolean {
    return this.isReset;
  }

  /** Resolves when the bytes are handed to the system, or when the connection is gone. */
  async write(data: Buffer | string): Promise<void> {
    if (this.ended || !this.socket.writable) return;
    const bytes = Buffer.from(data as string);
    const framed = this.chunked
      ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
      : bytes;
    if (this.socket.write(framed)) return;
    await Promise.race([once(this.socket, 'drain'), this.until(() => this.ended)]).catch(() => undefined);
  }

  /** The end of a chunked body. */
  finish(): void {
    if (this.chunked) this.socket.write('0\r\n\r\n');
  }

  /** Whether an answer has come so far. */
  get answered(): boolean {
    return this.parse() !== null;
  }

  /** How many answers have come so far. */
  get answers(): number {
    return this.received.toString('latin1').split('HTTP/1.1 ').length - 1;
  }

  /** @throws Error when the connection ends without an answer */
  async reply(): Promise<RawReply> {
    await this.until(() => this.ended || this.answered);
    const reply = this.parse();
    if (!reply) throw new Error(`The connection ended after ${JSON.stringify(this.received.toString())}`);
    return reply;
  }

  /** Resolves when the other side has closed the connection. */
  async closed(): Promise<void> {
    await this.until(() => this.ended);
  }

  /** Sends nothing more, and still reads. */
  halfClose(): void {
    this.socket.end();
  }

  /** Goes away without a word. */
  hangUp(): void {
    this.socket.resetAndDestroy();
  }

  private until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.changed.delete(look);
        resolve();
      };
      this.changed.add(look);
      look();
    });
  }

  private tell(): void {
    for (const look of [...this.changed]) look();
  }

  private parse(): RawReply | null {
    const text = this.received.toString('utf8');
    const head = text.indexOf('\r\n\r\n');
    if (head < 0) return null;
    const [first = '', ...lines] = text.slice(0, head).split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const [name = '', ...value] = line.split(':');
      headers[name.toLowerCase()] = value.join(':').trim();
    }
    const body = text.slice(head + 4);
    if (Buffer.byteLength(body) < Number(headers['content-length'] ?? 0)) return null;
    return { status: Number(first.split(' ')[1]), headers, body: body === '' ? null : JSON.parse(body) };
  }
}
