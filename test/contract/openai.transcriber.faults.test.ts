import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { invalidFile, rateLimited, rejectedKey, serverError } from '../support/openai-behaviour.js';
import { failureOf, KEY, openAiTranscribers, request } from '../support/openai-transcribers.js';

const engines = openAiTranscribers();

describe('when the endpoint misbehaves', () => {
  it('waits as retry-after-ms says, then succeeds', async () => {
    engines.server.script(rateLimited({ 'retry-after-ms': '300', 'retry-after': '9' }));
    await engines.forTest().transcribe(request());
    const [first, second] = engines.server.requests;
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(295);
    expect(second!.at - first!.at).toBeLessThan(3_000);
    expect(second!.file?.sha256).toBe(first!.file?.sha256);
  });

  it('waits as Retry-After says in seconds', async () => {
    engines.server.script(rateLimited({ 'retry-after': '1' }));
    await engines.forTest().transcribe(request());
    expect(engines.server.requests[1]!.at - engines.server.requests[0]!.at).toBeGreaterThanOrEqual(990);
  });

  it('hands a long wait to the ledger instead of sitting it out', async () => {
    engines.server.script(rateLimited({ 'retry-after': '120' }));
    const error = await failureOf(engines.forTest().transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_rate_limited', retryable: true, retryAfter: 120 });
    expect(engines.server.requests).toHaveLength(1);
  });

  it.each(['315360000', 'Fri, 31 Dec 2999 23:59:59 GMT', '100000000000000000000'])(
    'does not wait longer than an hour for an endpoint that says %s',
    async (after) => {
      engines.server.script(rateLimited({ 'retry-after': after }));
      expect(await failureOf(engines.forTest().transcribe(request()))).toMatchObject({ retryAfter: 3600 });
    },
  );

  it('gets over two server errors', async () => {
    engines.server.script(serverError, serverError);
    expect((await engines.forTest().transcribe(request())).text).toContain('nightly import');
    expect(engines.server.requests).toHaveLength(3);
  });

  it('gives up after OPENAI_MAX_RETRIES with an error that may pass', async () => {
    engines.server.otherwise(rateLimited({ 'retry-after-ms': '1' }));
    const error = await failureOf(engines.forTest({ OPENAI_MAX_RETRIES: '1' }).transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_rate_limited', retryable: true });
    expect(engines.server.requests).toHaveLength(2);
  });

  it('does not try again where x-should-retry says no', async () => {
    engines.server.script({ does: 'fail', status: 503, headers: { 'x-should-retry': 'false' } });
    const error = await failureOf(engines.forTest().transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_unavailable', retryable: true });
    expect(engines.server.requests).toHaveLength(1);
  });

  it('does not hammer an endpoint whose quota is used up', async () => {
    engines.server.script({ does: 'fail', status: 429, code: 'insufficient_quota' });
    const error = await failureOf(engines.forTest().transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_quota', retryable: true, retryAfter: 300 });
    expect(engines.server.requests).toHaveLength(1);
  });

  it.each([false, true])('gets over a broken connection (early: %s)', async (early) => {
    engines.server.script({ does: 'cut', early });
    expect((await engines.forTest().transcribe(request())).text).not.toBe('');
  });

  it.each(['http://127.0.0.1:1/v1', 'http://nobody.invalid/v1'])(
    'fails with an error that may pass, and costs the answer nothing, when nobody listens at %s',
    async (OPENAI_BASE_URL) => {
      const made = engines.forTest({ OPENAI_BASE_URL, OPENAI_MAX_RETRIES: '0' });
      const error = await failureOf(made.transcribe(request()));
      expect(error).toMatchObject({ code: 'engine_unreachable', retryable: true, uncounted: true });
    },
  );

  it('costs the answer nothing when no packet comes back, and is told from a slow answer before OPENAI_TIMEOUT_S', async () => {
    const silent = createServer();
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    // A secure connection is one only once both sides have spoken.
    const OPENAI_BASE_URL = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
    const made = engines.forTest({ OPENAI_BASE_URL, OPENAI_TIMEOUT_S: '2' });
    const error = await failureOf(made.transcribe(request()));
    silent.close();
    expect(error).toMatchObject({ code: 'engine_unreachable', retryable: true, uncounted: true });
  });

  it.each([
    ['takes no more requests', rateLimited({ 'retry-after': '120' }), true],
    ['has used up its quota', { does: 'fail' as const, status: 429, code: 'insufficient_quota' }, true],
    ['fails', serverError, false],
    ['breaks the connection', { does: 'cut' as const }, false],
  ])(
    'counts an attempt at an endpoint that %s where the answer may be at fault',
    async (_what, behaviour, uncounted) => {
      engines.server.script(behaviour);
      const made = engines.forTest({ OPENAI_MAX_RETRIES: '0' });
      expect(await failureOf(made.transcribe(request()))).toMatchObject({ retryable: true, uncounted });
    },
  );

  it.each(['hang', 'stall'] as const)('ends a request that runs into OPENAI_TIMEOUT_S (%s)', async (does) => {
    engines.server.script({ does });
    const error = await failureOf(engines.forTest({ OPENAI_TIMEOUT_S: '1' }).transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_timeout', retryable: true, uncounted: false });
    await engines.server.hungUp();
    expect(engines.server.requests).toHaveLength(1);
  });

  it.each(['hang', 'stall'] as const)('cancels the request at once when aborted (%s)', async (does) => {
    engines.server.script({ does });
    const stop = new AbortController();
    const work = failureOf(engines.forTest().transcribe(request({ signal: stop.signal })));
    await engines.server.seen(1);
    const reason = new Error('shutting down');
    const before = performance.now();
    stop.abort(reason);
    expect(await work).toBe(reason);
    await engines.server.hungUp();
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it('cancels a wait for a retry when aborted', async () => {
    engines.server.script(rateLimited({ 'retry-after': '9' }));
    const stop = new AbortController();
    const work = failureOf(engines.forTest().transcribe(request({ signal: stop.signal })));
    await engines.server.seen(1);
    stop.abort(new Error('shutting down'));
    expect((await work).message).toBe('shutting down');
  });

  it.each([
    ['JSON that is cut off', { does: 'garble' as const }],
    ['an answer without a text', { does: 'answer' as const, text: null as unknown as string, segments: [] }],
  ])('treats %s as a failure that may pass', async (_what, behaviour) => {
    engines.server.script(behaviour);
    const error = await failureOf(engines.forTest().transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_broken_answer', retryable: true });
  });

  it('fails at once, with the reason in words, for a file the endpoint cannot read', async () => {
    engines.server.script(invalidFile);
    const error = await failureOf(engines.forTest().transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_rejected_request', retryable: false });
    expect(error.message).toMatch(/^The speech engine refused this answer: Invalid file format\./);
    expect(engines.server.requests).toHaveLength(1);
  });

  it.each([400, 403, 404, 415, 422])('fails at once on %i', async (status) => {
    engines.server.script({ does: 'fail', status });
    expect(await failureOf(engines.forTest().transcribe(request()))).toMatchObject({ retryable: false });
    expect(engines.server.requests).toHaveLength(1);
  });

  it('follows no redirect, and says that the address is at fault and not the answer', async () => {
    const headers = { location: `${engines.server.url}/elsewhere` };
    engines.server.script({ does: 'fail', status: 308, headers });
    const error = await failureOf(engines.forTest().transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_unknown_model', retryable: false });
    expect(engines.server.requests).toHaveLength(1);
  });

  it('fails at once on a refused key, never shows it, and reports it until the key is taken again', async () => {
    const made = engines.forTest();
    await expect(made.check()).resolves.toBeUndefined();
    engines.server.script(rejectedKey);
    const error = await failureOf(made.transcribe(request()));
    expect(error).toMatchObject({ code: 'engine_rejected_key', retryable: false });
    expect(`${error.message} ${String(error.cause)}`).not.toMatch(/sk-|cret/);
    await expect(made.check()).rejects.toMatchObject({ code: 'engine_rejected_key' });
    expect(engines.server.requests).toHaveLength(1);
    await made.transcribe(request());
    await expect(made.check()).resolves.toBeUndefined();
  });

  it('never repeats the key when the endpoint does', async () => {
    engines.server.script({ does: 'fail', status: 400, message: `bad header Bearer ${KEY} for ${KEY}` });
    expect((await failureOf(engines.forTest().transcribe(request()))).message).not.toContain(KEY);
  });

  it('says that the stored audio could not be read when that is what failed', async () => {
    const broken = () =>
      Readable.from(
        (async function* () {
          yield Buffer.alloc(1000);
          throw new Error('the store is away');
        })(),
      );
    const audio = { open: broken, size: 5_000, contentType: 'audio/webm' };
    const error = await failureOf(engines.forTest().transcribe(request({ audio })));
    expect(error).toMatchObject({ code: 'audio_unreadable', retryable: true });
  });

  it('closes the stored file when the endpoint refuses before it has read all of it', async () => {
    const sources: Readable[] = [];
    const audio = {
      open: () => {
        const source = Readable.from(endless(), { objectMode: false });
        sources.push(source);
        return source;
      },
      size: 20 * 2 ** 20,
      contentType: 'audio/wav',
    };
    engines.server.otherwise({ does: 'cut', early: true });
    await failureOf(engines.forTest({ OPENAI_MAX_RETRIES: '0' }).transcribe(request({ audio })));
    expect(sources.every((source) => source.destroyed)).toBe(true);
  });
});

async function* endless(): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(65_536);
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    yield chunk;
  }
}
