import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Behaviour, From, RecordedRequest, SpokenSegment } from './openai-behaviour.js';

const DEFAULT_TEXT =
  'In my last role the nightly import kept failing. I was asked to find out why. ' +
  'I added tracing, found a lock that two jobs shared, and split it. Failures went from nine a week to none.';

export interface OpenAiServer {
  /** Base URL to configure, ends in /v1. */
  readonly url: string;
  readonly requests: RecordedRequest[];
  /** The next requests get these in order; then every further one is answered well (`otherwise`). */
  script(...behaviours: Behaviour[]): void;
  /** What requests beyond the script get; `{ does: 'answer' }` at first. */
  otherwise(behaviour: Behaviour): void;
  /** Resolves when so many requests have arrived in full. */
  seen(count: number): Promise<void>;
  /** Resolves when a caller has hung up without an answer. */
  hungUp(): Promise<void>;
  /** Forgets requests and script. */
  reset(): void;
  close(): Promise<void>;
}

function of<T>(value: From<T> | undefined, request: RecordedRequest, fallback: T): T {
  if (value === undefined) return fallback;
  return typeof value === 'function' ? (value as (request: RecordedRequest) => T)(request) : value;
}

function spread(text: string, duration: number): SpokenSegment[] {
  const sentences = text.match(/[^.!?]+[.!?]*\s*/g) ?? [];
  let said = 0;
  return sentences.map((sentence) => {
    const start = (said / text.length) * duration;
    said += sentence.length;
    return { start, end: (said / text.length) * duration, text: ` ${sentence.trim()}` };
  });
}

function transcription(request: RecordedRequest, how: Behaviour & { does: 'answer' }): object {
  const text = of(how.text, request, DEFAULT_TEXT);
  const duration = of(how.duration, request, 20);
  const format = request.fields.find(([name]) => name === 'response_format')?.[1] ?? 'json';
  if (format === 'json') return { text, usage: { type: 'tokens', total_tokens: 10 } };
  const segments = (how.segments === undefined ? spread(text, duration) : of(how.segments, request, [])).map(
    (segment, id) => ({
      id,
      seek: 0,
      tokens: [],
      temperature: 0,
      avg_logprob: -0.2,
      compression_ratio: 1.4,
      no_speech_prob: 0.01,
      ...segment,
    }),
  );
  return { task: 'transcribe', language: how.language ?? 'english', duration, text, segments };
}

/** A score that fits the answer it was given: every criterion of the schema, quoting the answer's first words. */
export function soundScore(request: RecordedRequest): Record<string, unknown> {
  const given = JSON.parse(request.json.messages.find((m: { role: string }) => m.role === 'user').content) as {
    answer: string;
  };
  const quote = given.answer.split(/\s+/).slice(0, 6).join(' ');
  const names = Object.keys(request.json.response_format.json_schema.schema.properties.criteria.properties);
  const criterion = { score: 72, reason: 'It names what was done and what came of it.', quotes: [quote] };
  return {
    criteria: Object.fromEntries(names.map((name) => [name, criterion])),
    feedback: ['Say how you measured the result.', 'Name your own part more clearly.'],
    model_answer: 'A strong answer names the problem, the steps taken and the measured result.',
  };
}

function completion(request: RecordedRequest, how: Behaviour & { does: 'answer' }): object {
  const content = how.content === undefined ? soundScore(request) : of(how.content, request, null);
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const message = { role: 'assistant', content: how.refusal ? null : text, refusal: how.refusal ?? null };
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: request.model,
    choices: [{ index: 0, message, finish_reason: how.finish ?? 'stop', logprobs: null }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  };
}

async function record(request: IncomingMessage, at: number): Promise<RecordedRequest> {
  const seen: RecordedRequest = {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    fields: [],
    model: null,
    language: null,
    file: null,
    json: null,
    at,
    aborted: false,
  };
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) {
    seen.json = JSON.parse(body.toString());
    seen.model = seen.json.model ?? null;
    return seen;
  }
  const form = await new Response(body, { headers: { 'content-type': type } }).formData();
  for (const [name, value] of form) {
    if (typeof value === 'string') seen.fields.push([name, value]);
    else {
      const content = Buffer.from(await value.arrayBuffer());
      const sha256 = createHash('sha256').update(content).digest('hex');
      seen.file = { name: value.name, type: value.type, bytes: content.length, sha256, content };
    }
  }
  seen.model = seen.fields.find(([name]) => name === 'model')?.[1] ?? null;
  seen.language = seen.fields.find(([name]) => name === 'language')?.[1] ?? null;
  return seen;
}

function respond(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

async function act(how: Behaviour, seen: RecordedRequest, response: ServerResponse): Promise<void> {
  const wellFormed = () =>
    JSON.stringify(
      seen.path.endsWith('/audio/transcriptions')
        ? transcription(seen, how as Behaviour & { does: 'answer' })
        : completion(seen, how as Behaviour & { does: 'answer' }),
    );
  switch (how.does) {
    case 'answer':
      if (how.delay) await new Promise((resolve) => setTimeout(resolve, how.delay).unref());
      return respond(response, 200, wellFormed());
    case 'fail': {
      const error = {
        message: how.message ?? 'failed',
        type: 'invalid_request_error',
        param: null,
        code: how.code ?? null,
      };
      return respond(response, how.status, JSON.stringify({ error }), how.headers);
    }
    case 'stall':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"text": "half');
      return;
    case 'cut':
      response.socket?.destroy();
      return;
    case 'garble':
      return respond(response, 200, '{"text": "half of a');
    case 'hang':
      return;
  }
}

/** Starts an OpenAI-compatible server on a free loopback port: `/v1/audio/transcriptions` and `/v1/chat/completions`. */
export async function startOpenAiServer(): Promise<OpenAiServer> {
  const requests: RecordedRequest[] = [];
  let queue: Behaviour[] = [];
  let fallback: Behaviour = { does: 'answer' };
  const started = performance.now();
  const watchers = new Set<() => void>();
  const changed = () => watchers.forEach((watcher) => watcher());
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!holds()) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });

  const server = createServer((request, response) => {
    const how = queue.shift() ?? fallback;
    if (how.does === 'cut' && how.early) {
      request.socket.destroy();
      return;
    }
    const serve = async () => {
      const seen = await record(request, performance.now() - started);
      response.on('close', () => {
        seen.aborted = !response.writableFinished && how.does !== 'cut';
        changed();
      });
      requests.push(seen);
      changed();
      await act(how, seen, response);
    };
    serve().catch((error: unknown) => {
      if (!response.headersSent && !response.destroyed)
        respond(response, 400, JSON.stringify({ error: String(error) }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    script: (...behaviours) => void queue.push(...behaviours),
    otherwise: (behaviour) => void (fallback = behaviour),
    seen: (count) => until(() => requests.length >= count),
    hungUp: () => until(() => requests.some((request) => request.aborted)),
    reset: () => {
      requests.length = 0;
      queue = [];
      fallback = { does: 'answer' };
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
