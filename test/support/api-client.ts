import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { SignJWT } from 'jose';
import { PATIENCE_MS } from './patience.js';

/** Key of the tokens that tests sign; the services under test get it as JWT_SECRET. */
export const TEST_JWT_SECRET = 'a key for tests that nobody else should ever use';

export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into it freely
  json: any;
  /** From the first byte sent to the last received. */
  tookMs: number;
}

/** An upload whose body is sent by hand. */
export interface OpenUpload {
  /** Sends the next bytes of the file; resolves when they have left this process. */
  send(bytes: Buffer): Promise<void>;
  /** Sends the end of the form. */
  finish(): void;
  /** Hangs up. */
  cut(): void;
  readonly answer: Promise<Answered>;
}

/** One user of the API, on a connection of its own for each request: what a fault does to one touches no other. */
export class ApiClient {
  private constructor(
    readonly userId: string,
    readonly token: string,
    private readonly port: () => number,
  ) {}

  /** @param port asked for at each request, since the service may come back at another one */
  static async signIn(userId: string, port: () => number): Promise<ApiClient> {
    const token = await new SignJWT({ roles: ['admin'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(userId)
      .setIssuedAt()
      .setExpirationTime('2h')
      .sign(new TextEncoder().encode(TEST_JWT_SECRET));
    return new ApiClient(userId, token, port);
  }

  get(path: string): Promise<Answered> {
    return this.send('GET', path, {}, null);
  }

  post(path: string, body: unknown): Promise<Answered> {
    return this.send('POST', path, { 'content-type': 'application/json' }, Buffer.from(JSON.stringify(body)));
  }

  /** A session that takes any question id. */
  async createSession(id: string, more: { retain_audio?: boolean } = {}): Promise<void> {
    const { status } = await this.post('/api/sessions', { id, questions: [], ...more });
    if (status !== 201 && status !== 409) throw new Error(`The session was answered with ${status}`);
  }

  /** @throws Error as Node's, when there was no answer: it is not known then whether the upload counts */
  upload(session: string, question: string, audio: Buffer, headers: Record<string, string> = {}): Promise<Answered> {
    const form = boundary();
    const body = Buffer.concat([form.head, audio, form.tail]);
    return this.send('POST', uploadPath(session, question), { ...form.headers, ...headers }, body);
  }

  /** Begins an upload and leaves its body to the caller. */
  open(session: string, question: string): OpenUpload {
    const form = boundary();
    const call = this.call('POST', uploadPath(session, question), form.headers);
    const answer = answerTo(call);
    answer.catch(() => undefined);
    call.write(form.head);
    return {
      answer,
      send: (bytes) =>
        new Promise((resolve, reject) => call.write(bytes, (error) => (error ? reject(error) : resolve()))),
      finish: () => void call.end(form.tail),
      cut: () => void call.destroy(),
    };
  }

  private send(method: string, path: string, headers: Record<string, string>, body: Buffer | null): Promise<Answered> {
    const call = this.call(method, path, body ? { ...headers, 'content-length': String(body.length) } : headers);
    call.end(body ?? undefined);
    return answerTo(call);
  }

  private call(method: string, path: string, headers: Record<string, string>): ClientRequest {
    return request({
      ...{ host: '127.0.0.1', port: this.port(), agent: false, method, path },
      headers: { authorization: `Bearer ${this.token}`, ...headers },
    });
  }
}

function uploadPath(session: string, question: string): string {
  return `/api/upload-answer/${session}/${question}`;
}

function boundary() {
  const name = `----${randomBytes(12).toString('hex')}`;
  const disposition = 'Content-Disposition: form-data; name="audio"; filename="answer.wav"';
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${name}` },
    head: Buffer.from(`--${name}\r\n${disposition}\r\nContent-Type: audio/wav\r\n\r\n`),
    tail: Buffer.from(`\r\n--${name}--\r\n`),
  };
}

async function answerTo(call: ClientRequest): Promise<Answered> {
  const began = performance.now();
  const timer = setTimeout(() => call.destroy(new Error(`No answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  try {
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    // An answer may come before the whole body is sent; what the sender's side then fails with is no news.
    call.on('error', () => undefined);
    const pieces: Buffer[] = [];
    for await (const piece of response) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const { statusCode = 0, headers } = response;
    return { status: statusCode, headers, json: text ? JSON.parse(text) : null, tookMs: performance.now() - began };
  } finally {
    clearTimeout(timer);
  }
}
