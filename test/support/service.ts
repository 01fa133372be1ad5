import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { getConnectionToken } from '@nestjs/mongoose';
import { SignJWT } from 'jose';
import type { Connection, mongo } from 'mongoose';
import type { Role } from '../../src/app.module.js';
import { loadConfig } from '../../src/config/config.js';
import { type Service, startService } from '../../src/service.js';
import { speechPath } from './audio-source.js';
import { PATIENCE_MS } from './patience.js';
import { testEnvironment } from './servers.js';

const SECRET = 'a-secret-for-tests-that-is-long-enough';

/** Short times, so that what comes again comes soon; no limit on uploads, which has tests of its own. */
const HASTE: Readonly<Record<string, string>> = {
  STAGE_BACKOFF_S: '0.1',
  STAGE_LEASE_S: '2',
  SWEEP_INTERVAL_S: '0.5',
  DISPATCH_GRACE_S: '0.5',
  SHUTDOWN_TIMEOUT_S: '4',
  UPLOADS_PER_MINUTE: '0',
};

/** Parsed JSON of an answer: tests look into it freely. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is in it is what the tests find out
export type Json = any;

export interface Reply {
  status: number;
  headers: Headers;
  /** Parsed where it is JSON, else the text. */
  body: Json;
}

export interface UploadOptions {
  fileName?: string;
  /** What the sender says the file is. */
  type?: string;
  /** Text fields after the file. */
  fields?: Record<string, string>;
  headers?: Record<string, string>;
}

/** One user, and what they ask of the service. */
export class Caller {
  constructor(
    readonly url: string,
    readonly authorization: string,
  ) {}

  async send(method: string, path: string, init: RequestInit = {}): Promise<Reply> {
    const headers = new Headers(init.headers);
    if (this.authorization) headers.set('authorization', this.authorization);
    const response = await fetch(this.url + path, { ...init, method, headers });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    return this.send('GET', path, { headers });
  }

  post(path: string, json?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    if (json === undefined) return this.send('POST', path, { headers });
    return this.send('POST', path, {
      body: JSON.stringify(json),
      headers: { 'content-type': 'application/json', ...headers },
    });
  }

  delete(path: string): Promise<Reply> {
    return this.send('DELETE', path);
  }

  /** Makes a session; questions by id, or any question when there are none. */
  async session(questions: string[] = [], rest: Record<string, unknown> = {}): Promise<string> {
    const input = { questions: questions.map((id) => ({ id, text: `What can you tell about ${id}?` })), ...rest };
    const { status, body } = await this.post('/api/sessions', input);
    if (status !== 201) throw new Error(`No session: ${status} ${JSON.stringify(body)}`);
    return body.id as string;
  }

  upload(session: string, question: string, bytes: Buffer, options: UploadOptions = {}): Promise<Reply> {
    const form = new FormData();
    const { fileName = 'answer.webm', type = 'audio/webm', fields = {}, headers = {} } = options;
    form.append('audio', new Blob([new Uint8Array(bytes)], { type }), fileName);
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    const path = `/api/upload-answer/${encodeURIComponent(session)}/${encodeURIComponent(question)}`;
    return this.send('POST', path, { body: form, headers });
  }

  /** Resolves with the answer once it looks as `until` says. */
  answer(
    session: string,
    question: string,
    until: (answer: Json) => boolean = settled,
    withinMs = PATIENCE_MS,
  ): Promise<Json> {
    return eventually(async () => {
      const { body } = await this.get(`/api/sessions/${session}`);
      const answer = body.answers?.[question];
      if (answer === undefined || !until(answer)) throw new Error(`Not so far yet: ${JSON.stringify(answer ?? body)}`);
      return answer;
    }, withinMs);
  }
}

/** Transcribed and scored, or failed for good. */
export function settled(answer: Json): boolean {
  if (answer.transcription_status === 'failed') return true;
  return answer.transcription_status === 'completed' && (answer.score !== null || answer.not_scorable !== null);
}

/** A service in this process, with a database and a Redis prefix of its own. */
export class TestService {
  constructor(
    readonly service: Service,
    /** A further process of the same service starts with these. */
    readonly environment: Record<string, string>,
    private readonly folder: string | null,
  ) {}

  get url(): string {
    return this.service.url;
  }

  get db(): mongo.Db {
    const { db } = this.service.app.get<Connection>(getConnectionToken());
    if (!db) throw new Error('The connection is closed');
    return db;
  }

  async user(id: string, ...roles: string[]): Promise<Caller> {
    const token = await new SignJWT({ roles })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(id)
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(SECRET));
    return new Caller(this.url, `Bearer ${token}`);
  }

  nobody(): Caller {
    return new Caller(this.url, '');
  }

  /** The ledger's rows of a session, oldest first. */
  rows(session: string): Promise<Json[]> {
    return this.db.collection('uploads').find({ session_id: session }).sort({ _id: 1 }).toArray();
  }

  files(session: string): Promise<Json[]> {
    return this.db.collection('fs.files').find({ 'metadata.session_id': session }).toArray();
  }

  /** What must not be there once nothing is under way: each stray by name. */
  async strays(): Promise<string[]> {
    const files: Json[] = await this.db.collection('fs.files').find().toArray();
    const chunks: Json[] = await this.db
      .collection('fs.chunks')
      .find({}, { projection: { files_id: 1 } })
      .toArray();
    const rows: Json[] = await this.db.collection('uploads').find().toArray();
    const named = new Set(files.map((file) => String(file._id)));
    const kept = rows.filter((row) => row.state === 'committed' && row.audio_state === 'stored');
    const wanted = new Set(kept.map((row) => String(row.file_id)));
    return [
      ...rows.filter((row) => row.state === 'uploading').map((row) => `row ${row._id} still uploading`),
      ...rows.filter((row) => row.audio_state === 'deleting').map((row) => `row ${row._id} still deleting`),
      ...rows.filter((row) => row.link_due && row.state !== 'committed').map((row) => `row ${row._id} still to link`),
      ...chunks.filter((chunk) => !named.has(String(chunk.files_id))).map((chunk) => `chunk of ${chunk.files_id}`),
      ...[...named].filter((id) => !wanted.has(id)).map((id) => `file ${id} that no row wants`),
      ...[...wanted].filter((id) => !named.has(id)).map((id) => `file ${id} that a row wants is gone`),
    ];
  }

  async stop(): Promise<void> {
    // Callers keep their connections for a next request, and a service that stops waits for it a second long: there is none.
    this.service.app.getHttpServer().closeIdleConnections();
    await this.service.stop();
    if (this.folder !== null) await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts one role on free ports. Give it another's `environment` to make it a process of the same service. */
export async function startTestService(role: Role, environment: Record<string, string> = {}): Promise<TestService> {
  const folder = environment['DATA_DIR'] === undefined ? await mkdtemp(join(tmpdir(), 'vivavoce-e2e-')) : null;
  const servers = environment['MONGODB_DB'] === undefined ? testEnvironment() : {};
  const all = {
    NODE_ENV: 'test',
    PORT: '0',
    JWT_SECRET: SECRET,
    LOG_LEVEL: 'silent',
    ...(folder === null ? {} : { DATA_DIR: folder }),
    ...HASTE,
    ...servers,
    ...environment,
  };
  return new TestService(await startService(role, loadConfig(all)), all, folder);
}

/** Asks again until it does not throw any more; after `withinMs` it fails with what was thrown last. */
export async function eventually<T>(look: () => T | Promise<T>, withinMs = PATIENCE_MS): Promise<T> {
  const giveUp = Date.now() + withinMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > giveUp) throw error;
      await pause(25);
    }
  }
}

/** A file in test/fixtures/speech with a tail of its own: bytes that nobody has sent before, for engines that do not listen. */
export const fresh = (name: string): Buffer => Buffer.concat([speech(name), randomBytes(8)]);

/** Bytes of a file in test/fixtures/speech. */
export const speech = (name: string): Buffer => readFileSync(speechPath(name));
