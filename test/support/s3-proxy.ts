import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands before an S3 server and lets it be busy, or spoil what it gives back. */
export class S3Proxy {
  /** How many of the next requests are told to slow down. */
  slowDowns = 0;
  /** How many were. */
  slowedDown = 0;
  /** Parts of multipart uploads are never answered while it is set. */
  holdsParts = false;
  /** Nothing is answered while it is set. */
  hangs = false;
  /** How many were not. */
  held = 0;
  /** How many multipart uploads were asked to be given up. */
  givenUp = 0;
  /** How many of the next such requests are told that there is no such upload. */
  ghosts = 0;
  private readonly waiting = new Set<ServerResponse>();
  /** Turns a bit of every object that is read. */
  spoils = false;
  /** How many of the next objects that are read break off after their first bytes. */
  cuts = 0;

  private constructor(
    private readonly server: Server,
    private readonly port: number,
  ) {
    server.on('request', (from: IncomingMessage, to: ServerResponse) => this.pass(from, to));
  }

  static async start(port: number): Promise<S3Proxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new S3Proxy(server, port);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private pass(from: IncomingMessage, to: ServerResponse): void {
    if (this.slowDowns > 0) {
      this.slowDowns -= 1;
      this.slowedDown += 1;
      from.resume();
      refuse(to, 503, 'SlowDown');
      return;
    }
    const { method, url, headers } = from;
    if (this.hangs || (this.holdsParts && url?.includes('partNumber='))) {
      this.held += 1;
      this.waiting.add(to);
      from.resume();
      return;
    }
    if (method === 'DELETE' && url?.includes('uploadId=')) {
      this.givenUp += 1;
      if (this.ghosts > 0) {
        this.ghosts -= 1;
        refuse(to, 404, 'NoSuchUpload');
        return;
      }
    }
    // The signature covers the host that the client asked for: it is passed on as it is.
    const onward = request({ host: '127.0.0.1', port: this.port, method, path: url, headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      const isObject = method === 'GET' && !url?.includes('?list-type') && answer.statusCode === 200;
      answer.on('data', (chunk: Buffer) => {
        if (this.spoils && isObject) chunk[0]! ^= 1;
        if (this.cuts > 0 && isObject) {
          this.cuts -= 1;
          to.write(chunk.subarray(0, chunk.length / 2), () => to.destroy());
          onward.destroy();
        } else to.write(chunk);
      });
      answer.on('end', () => to.end());
    });
    onward.on('error', () => to.destroy());
    from.pipe(onward);
  }

  /** Cuts the requests that were held: their senders try again. */
  release(): void {
    this.holdsParts = false;
    this.hangs = false;
    for (const response of this.waiting) response.destroy();
    this.waiting.clear();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

function refuse(to: ServerResponse, status: number, code: string): void {
  to.writeHead(status, { 'content-type': 'application/xml' });
  to.end(`<Error><Code>${code}</Code><Message>Refused.</Message></Error>`);
}
