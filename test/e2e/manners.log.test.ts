import { Controller, Get } from '@nestjs/common';
import { mongo } from 'mongoose';
import { Public } from '../../src/auth/auth.decorators.js';
import { correlationId, runWithCorrelation } from '../../src/common/correlation.js';
import { Log, NestLog } from '../../src/common/logging.js';
import { bearer, type MannersApp, startMannersApp } from './manners.app.js';
import { MannersController } from './manners.controller.js';

@Public()
@Controller('health')
class LiveController {
  @Get('live')
  live() {
    return { status: 'alive' };
  }
}

/** The line of a request appears when its connection is done with it, which may be after the client has its answer. */
async function requestLine(service: MannersApp, id: string): Promise<Record<string, unknown>> {
  for (;;) {
    const line = service.lines.find((entry) => entry['correlation_id'] === id && entry['msg'] === 'request');
    if (line) return line;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('correlation and request lines', () => {
  let service: MannersApp;
  beforeAll(async () => {
    service = await startMannersApp({ controllers: [MannersController, LiveController] });
  });
  afterAll(() => service.close());

  it('a well-formed correlation id is taken, seen by the handler and sent back', async () => {
    const response = await fetch(`${service.url}/api/correlation`, {
      method: 'POST',
      headers: { 'x-correlation-id': 'Job_1.2-3', 'content-type': 'application/json' },
      body: '{"a": 1}',
    });
    expect(response.headers.get('x-correlation-id')).toBe('Job_1.2-3');
    expect(await response.json()).toEqual({ value: 'Job_1.2-3' });
  });

  it.each(['has space', 'x'.repeat(129), 'semi;colon'])('%j is replaced by an id of our own', async (given) => {
    const response = await fetch(`${service.url}/api/correlation`, {
      method: 'POST',
      headers: { 'x-correlation-id': given },
    });
    const id = response.headers.get('x-correlation-id');
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await response.json()).toEqual({ value: id });
  });

  it('a start is told in a few lines: its modules and routes are debug', () => {
    const levels = (context: string) =>
      new Set(service.lines.filter((line) => line['context'] === context).map((line) => line['level']));
    expect(levels('RouterExplorer')).toEqual(new Set(['debug']));
    expect(levels('NestApplication')).toEqual(new Set(['info']));
  });

  it('requests at the same time do not see each other', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `at-once-${index}`);
    const seen = await Promise.all(
      ids.map(async (id) => {
        const response = await fetch(`${service.url}/api/correlation`, {
          method: 'POST',
          headers: { 'x-correlation-id': id },
        });
        return ((await response.json()) as { value: string }).value;
      }),
    );
    expect(seen).toEqual(ids);
  });

  it('each request is one line with method, route template, status, time and user', async () => {
    await fetch(`${service.url}/api/upload-answer/s1/q1`, {
      method: 'POST',
      headers: { ...(await bearer('bob')), 'x-correlation-id': 'line-1' },
      body: 'abc',
    });
    const line = await requestLine(service, 'line-1');
    expect(line).toMatchObject({
      level: 'info',
      method: 'POST',
      route: '/api/upload-answer/{session_id}/{question_id}',
      status: 200,
      user_id: 'bob',
      bytes_in: 3,
      ms: expect.any(Number),
    });
  });

  it('reads that go well are debug, failures info, health trace', async () => {
    const headers = await bearer();
    await fetch(`${service.url}/api/me`, { headers: { ...headers, 'x-correlation-id': 'read' } });
    await fetch(`${service.url}/api/admin-only`, { headers: { ...headers, 'x-correlation-id': 'refused' } });
    await fetch(`${service.url}/health/live`, { headers: { 'x-correlation-id': 'alive' } });
    expect((await requestLine(service, 'read'))['level']).toBe('debug');
    expect((await requestLine(service, 'refused'))['level']).toBe('info');
    expect((await requestLine(service, 'alive'))['level']).toBe('trace');
  });

  it('no line holds the token of a request', async () => {
    const headers = await bearer('carol');
    await fetch(`${service.url}/api/me`, { headers: { ...headers, 'x-correlation-id': 'with-token' } });
    await requestLine(service, 'with-token');
    expect(JSON.stringify(service.lines)).not.toContain(headers.authorization.slice(7));
  });
});

describe('the log itself', () => {
  const listen = (level: 'info' | 'trace' = 'trace') => {
    const lines: Record<string, unknown>[] = [];
    const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
    return { lines, log: new Log({ LOG_LEVEL: level }, { write }) };
  };

  it('hides credentials and what candidates said, however deep they lie', () => {
    const { lines, log } = listen();
    log.pino.info(
      {
        transcript: 'I once stole',
        text: 'private',
        upload_id: 'u1',
        request: { headers: { Authorization: 'Bearer abc', cookie: 'a=b', accept: '*/*' } },
        list: [{ token: 'abc', api_key: 'sk-1', ok: 1 }],
        segments: [{ text: 'private' }],
      },
      'done',
    );
    log.child({ password: 'hunter2', context: 'x' }).info('child');
    expect(lines[0]).toMatchObject({
      transcript: '[redacted]',
      text: '[redacted]',
      upload_id: 'u1',
      request: { headers: { Authorization: '[redacted]', cookie: '[redacted]', accept: '*/*' } },
      list: [{ token: '[redacted]', api_key: '[redacted]', ok: 1 }],
      segments: '[redacted]',
    });
    expect(JSON.stringify(lines)).not.toMatch(/hunter2|private|stole|sk-1|Bearer abc/);
  });

  it('a job that carries on a request logs under its correlation id', async () => {
    const { lines, log } = listen();
    await runWithCorrelation('from-the-request', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      log.pino.info('working');
    });
    expect(lines[0]).toMatchObject({ correlation_id: 'from-the-request', msg: 'working' });
    expect(correlationId()).toBeUndefined();
  });

  it("Nest's own logger ends up in it, with fields, context and stack", () => {
    const { lines, log } = listen();
    const nest = new NestLog(log);
    nest.log('Took it', { upload_id: 'u1' }, 'Intake');
    nest.error('Broke', new Error('why').stack, 'Intake');
    expect(lines[0]).toMatchObject({ level: 'info', msg: 'Took it', upload_id: 'u1', context: 'Intake' });
    expect(lines[1]).toMatchObject({
      level: 'error',
      msg: 'Broke',
      context: 'Intake',
      stack: expect.stringContaining('why'),
    });
  });

  it('an error in a line has its type, message and stack', () => {
    const { lines, log } = listen();
    log.pino.error({ err: new TypeError('why') }, 'Broke');
    expect(lines[0]?.['err']).toMatchObject({ type: 'TypeError', message: 'why', stack: expect.any(String) });
  });

  it('an error in a line brings along its code and its cause, and nothing of what it was about', () => {
    const { lines, log } = listen();
    const op = { body: 'what was said', owed: { e1: { data: 'what was said' } } };
    const failed = new mongo.MongoBulkWriteError(
      { message: 'no space', code: 14031, writeErrors: [{ index: 0, op }] as never },
      {
        insertedIds: { 0: 'what was said' },
      } as never,
    );
    const wrapped = Object.assign(new Error('not told', { cause: failed }), { response: op });
    log.pino.warn({ err: failed, steps: [{ failure: wrapped }] }, 'Not told yet');
    log.pino.error(wrapped);
    new NestLog(log).error('Broke', wrapped, 'Teller');
    log.child({ reason: wrapped }).info('child');

    const cause = { type: 'MongoBulkWriteError', message: 'no space', code: 14031, stack: expect.any(String) };
    const whole = { type: 'Error', message: 'not told', stack: expect.any(String), cause };
    expect(lines[0]).toMatchObject({ err: cause, steps: [{ failure: whole }] });
    expect(lines[1]).toMatchObject({ msg: 'not told', err: whole });
    expect(lines[2]).toMatchObject({ msg: 'Broke', err: whole });
    expect(lines[3]).toMatchObject({ reason: whole });
    expect(JSON.stringify(lines)).not.toContain('what was said');
  });

  it('says nothing below its level', () => {
    const { lines, log } = listen('info');
    log.pino.debug('quiet');
    new NestLog(log).debug('quiet');
    expect(lines).toEqual([]);
  });
});
