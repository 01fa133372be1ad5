import { once } from 'node:events';
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook as Reference } from 'standardwebhooks';
import type { Json } from './service.js';

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  raw: string;
  body: Json;
}

type Behaviour = (response: ServerResponse, received: Received) => void;

/** Somebody else's server that webhooks go to. It checks signatures with the reference library. */
export class WebhookReceiver {
  readonly received: Received[] = [];
  private readonly paths = new Map<string, Behaviour>();

  private constructor(private readonly server: ReturnType<typeof createServer>) {}

  static async start(port = 0): Promise<WebhookReceiver> {
    const server = createServer();
    const receiver = new WebhookReceiver(server);
    server.on('request', (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const raw = Buffer.concat(pieces).toString();
        const received = { path: request.url ?? '', headers: request.headers, raw, body: JSON.parse(raw) };
        receiver.received.push(received);
        const behaviour = receiver.paths.get(received.path);
        if (behaviour) behaviour(response, received);
        else response.writeHead(204).end();
      });
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  url(path = '/', host = '127.0.0.1'): string {
    return `http://${host}:${this.port}${path}`;
  }

  /** What it does with requests to a path; 204 where nothing is said. */
  on(path: string, behaviour: Behaviour | number): void {
    const answer = behaviour;
    this.paths.set(path, typeof answer === 'number' ? (response) => void response.writeHead(answer).end() : answer);
  }

  at(path: string, type?: string): Received[] {
    return this.received.filter((one) => one.path === path && (type === undefined || one.body.type === type));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** What a receiver's library makes of a message. @throws when its signature is not good */
export function verified({ raw, headers }: Received, secret: string): Json {
  return new Reference(secret).verify(raw, headers as Record<string, string>);
}
