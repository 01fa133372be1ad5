import type { Request, Response } from 'express';
import type { Socket } from 'node:net';

/** How long the rest of a body is read and thrown away after the answer, so that the sender gets to read it. */
const DRAIN_MS = 2000;

/** Those whose request was answered, and has not ended yet. */
const answered = new WeakSet<Socket>();

/** Whether what breaks off on a connection is a request that had its answer before its end. */
export function wasAnsweredEarly(socket: Socket): boolean {
  return answered.has(socket);
}

/** Whether the body of a request is still coming. */
export function isBodyComing(request: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return !request.complete && (Number(length) > 0 || encoding !== undefined);
}

/**
 * Readies a request for an answer that does not wait for the rest of its body. What still comes is thrown away for a while:
 * closing under unread bytes resets the connection, answer and all (RFC 9112, 9.6). Where `Connection: close` was asked for, as
 * proxies often do, Node would close with the answer's last byte; it is done here instead.
 */
export function answerEarly(request: Request, response: Response): void {
  const { socket } = request;
  const stays = response.shouldKeepAlive;
  response.shouldKeepAlive = true;
  answered.add(socket);
  request.unpipe();
  request.resume();
  response.once('finish', () => {
    if (request.complete) return end();
    const drained = setTimeout(() => socket.destroy(), DRAIN_MS);
    request.once('close', () => {
      clearTimeout(drained);
      if (request.complete) end();
    });
  });

  function end(): void {
    answered.delete(socket);
    if (!stays) socket.end();
  }
}
