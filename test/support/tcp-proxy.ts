import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A bad network: passes TCP connections on, and can cut them, slow them down or take none. With several backends it is a
 * balancer that takes them in turn and passes over one that refuses the connection.
 */
export class TcpProxy {
  /** Added to each piece that passes, in either direction, in milliseconds. */
  delayMs = 0;
  /** Connections are reset as soon as they are made. */
  refuses = false;
  /** Who says this gets no answer any more: the backend does what it is asked for, and nobody gets to know. */
  losesAnswersTo: Buffer | null = null;
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private readonly held = new Set<Socket>();
  private isStalled = false;
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly backends: () => readonly number[],
  ) {
    server.on('connection', (client) => void this.accept(client));
  }

  /** @param backends ports on this machine, asked for at each connection */
  static async start(backends: () => readonly number[]): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, backends);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** How many connections there are now. */
  get connections(): number {
    return this.pairs.size;
  }

  /** Reads nothing any more, of old connections and new ones, until they are cut: who sends fills the buffers on the way, and waits. */
  stall(): void {
    this.isStalled = true;
    for (const socket of [...this.pairs].flat()) socket.pause();
  }

  /** Resets every connection; new ones are taken. Returns how many there were. */
  cut(): number {
    const { size } = this.pairs;
    this.isStalled = false;
    for (const client of this.held) reset(client);
    for (const [client, backend] of this.pairs) {
      reset(client);
      reset(backend);
    }
    return size;
  }

  /** Nothing is wrong with it any more. */
  recover(): void {
    this.delayMs = 0;
    this.refuses = false;
    if (this.isStalled) this.cut();
  }

  async close(): Promise<void> {
    this.server.close();
    this.cut();
    await once(this.server, 'close');
  }

  private async accept(client: Socket): Promise<void> {
    client.on('error', () => undefined);
    if (this.isStalled) {
      this.held.add(client);
      client.once('close', () => this.held.delete(client));
      return;
    }
    const backend = this.refuses ? null : await this.reach();
    if (!backend || client.destroyed) {
      backend?.destroy();
      reset(client);
      return;
    }
    const pair = [client, backend] as const;
    this.pairs.add(pair);
    const gone = () => this.pairs.delete(pair);
    let isLost = false;
    this.pass(client, backend, gone, (piece) => {
      isLost ||= this.losesAnswersTo !== null && piece.includes(this.losesAnswersTo);
      return true;
    });
    this.pass(backend, client, gone, () => !isLost);
  }

  private async reach(): Promise<Socket | null> {
    const ports = this.backends();
    const first = this.turn++;
    for (let i = 0; i < ports.length; i++) {
      const socket = connect({ port: ports[(first + i) % ports.length] ?? 0, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => undefined);
      try {
        await once(socket, 'connect');
        return socket;
      } catch {
        socket.destroy();
      }
    }
    return null;
  }

  private pass(from: Socket, to: Socket, gone: () => void, takes: (piece: Buffer) => boolean): void {
    const waiting: Buffer[] = [];
    let ended = false;
    const finish = () => {
      if (ended && waiting.length === 0 && !to.destroyed) to.end();
    };
    from.on('data', (piece) => {
      if (!takes(piece)) return;
      if (this.delayMs > 0 || waiting.length > 0) {
        waiting.push(piece);
        // Whichever timer fires, the oldest piece goes: their order stays when the delay changes.
        setTimeout(() => {
          const oldest = waiting.shift();
          if (oldest && !to.destroyed) to.write(oldest);
          finish();
        }, this.delayMs);
      } else if (!to.write(piece)) {
        from.pause();
        to.once('drain', () => this.isStalled || from.resume());
      }
    });
    from.once('end', () => {
      ended = true;
      finish();
    });
    from.once('close', (hadError) => {
      gone();
      if (hadError || !ended) reset(to);
    });
  }
}

/** A reset while the socket's end is being sent leaves libuv with a handle that never closes, and the process cannot exit. */
function reset(socket: Socket): void {
  if (socket.writableEnded || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
