import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

const requireOfMongoose = createRequire(createRequire(import.meta.url).resolve('mongoose'));
/** Set on the driver itself: several copies of this module may share it. */
const MENDED = Symbol.for('vivavoce: writes of ended connections end');

/** What is mended here of the driver's connection, which it does not export. */
interface DriverConnection {
  readonly socket: Socket;
  /** Called when the connection ends, for whatever reason, and sometimes again. */
  cleanup: (this: DriverConnection, error: Error) => void;
  [MENDED]?: true;
}

/**
 * A command that waits for room in its connection's socket while the connection ends would wait for ever (mongodb up to 7.9.0):
 * its `writeCommand` waits for `drain` or `error`, and a socket that is destroyed emits neither. No time limit ends that wait,
 * and with it would hang a request, a place for chunks or the sweep. Told that there is room, the command sees that its
 * connection has ended, and fails as all others on it do.
 */
export function endWritesOfEndedConnections(): void {
  const path = 'mongodb/lib/cmap/connection.js';
  const { Connection } = requireOfMongoose(path) as { Connection: { prototype: DriverConnection } };
  if (Connection.prototype[MENDED]) return;
  Connection.prototype[MENDED] = true;
  const { cleanup } = Connection.prototype;
  Connection.prototype.cleanup = function (error) {
    cleanup.call(this, error);
    // One that is about to be written comes to wait within this turn of the event loop.
    setImmediate(() => this.socket.emit('drain'));
  };
}
