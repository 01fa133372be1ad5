import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { AlertConditions } from '../../src/alerts/alert.conditions.js';
import { AlertLedger } from '../../src/alerts/alert.ledger.js';
import { AlertWatch } from '../../src/alerts/alert.watch.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { invalidFile } from '../support/openai-behaviour.js';
import { filePart, RawUpload } from '../support/raw-upload.js';
import {
  type Caller,
  eventually,
  fresh,
  type Json,
  speech,
  startTestService,
  type TestService,
} from '../support/service.js';
import { WebhookReceiver, verified } from '../support/webhook-receiver.js';

const QUICK = {
  WEBHOOK_ALLOW_PRIVATE: 'true',
  ALERT_INTERVAL_S: '0.2',
  ALERT_HOLD_S: '0.3',
  WEBHOOK_RETRY_S: '0.2,0.2',
};

let receiver: WebhookReceiver;
beforeAll(async () => {
  receiver = await WebhookReceiver.start();
});
afterAll(() => receiver.stop());

/** A webhook of admins for alerts. */
async function watched(root: Caller, path: string): Promise<string> {
  const events = ['alert.firing', 'alert.resolved'];
  const { status, body } = await root.post('/api/webhooks', { url: receiver.url(path), events, scope: 'global' });
  expect(status).toBe(201);
  return body.secret as string;
}

const told = (path: string, alert: string, type?: string): Json[] =>
  receiver
    .at(path, type)
    .map(({ body }) => body)
    .filter(({ data }) => data.alert === alert);

describe('an alert', () => {
  let running: ServiceWithEngine;
  let service: TestService;
  let second: TestService;
  let root: Caller;
  let secret: string;

  beforeAll(async () => {
    running = await startWithEngine('all', { ...QUICK, ALERT_DEAD_LETTERS: '1' });
    ({ service } = running);
    // Each of the two looks for itself, and may take a turn.
    second = await startTestService('all', service.environment);
    root = await service.user('root', 'admin');
    secret = await watched(root, '/alerts');
  });
  afterAll(async () => {
    await second.stop();
    await running.stop();
  });

  const row = (id: string): Promise<Json> => service.db.collection<Json>('alerts').findOne({ _id: id });

  it('is told of once while it lasts, by several processes together, and once when it is over', async () => {
    running.engine.script(invalidFile, invalidFile);
    const alice = await service.user('alice');
    const session = await alice.session(['q1', 'q2']);
    const uploads: string[] = [];
    for (const question of ['q1', 'q2']) {
      const { body } = await alice.upload(session, question, fresh('answer-0870.webm'));
      uploads.push(body.upload_id);
      await alice.answer(session, question, (answer) => answer.transcription_status === 'failed');
    }
    await eventually(() => {
      expect(told('/alerts', 'dead_letters_grow')).toHaveLength(1);
      expect(told('/alerts', 'failures')).toHaveLength(1);
    });
    const [message] = receiver.at('/alerts').filter(({ body }) => body.data.alert === 'dead_letters_grow');
    const { type, data } = verified(message!, secret);
    expect({ type, data }).toEqual({
      type: 'alert.firing',
      data: {
        alert: 'dead_letters_grow',
        of: null,
        severity: 'warning',
        summary: '2 new dead letters in 30 minutes',
        value: 2,
        threshold: 1,
        since: expect.any(String),
      },
    });
    // It lasts, and both processes have looked at it several times since.
    const seen = (await row('dead_letters_grow')).seen_at as Date;
    await eventually(async () =>
      expect((await row('dead_letters_grow')).seen_at.getTime()).toBeGreaterThan(seen.getTime() + 1000),
    );
    expect(told('/alerts', 'dead_letters_grow')).toHaveLength(1);

    for (const id of uploads) expect((await root.post(`/api/admin/dead-letters/${id}/retry`)).status).toBe(200);
    await eventually(() => expect(told('/alerts', 'dead_letters_grow', 'alert.resolved')).toHaveLength(1));
    expect(told('/alerts', 'dead_letters_grow', 'alert.resolved')[0].data).toMatchObject({
      threshold: 1,
      resolved_at: expect.any(String),
    });
    expect(told('/alerts', 'dead_letters_grow', 'alert.resolved')[0].data.value).toBeLessThanOrEqual(1);
    expect(told('/alerts', 'dead_letters_grow')).toHaveLength(2);
    expect((await row('dead_letters_grow')).state).toBe('ok');
  });

  it('of a machine that is gone is over', async () => {
    const long = new Date(Date.now() - 3_600_000);
    const gone = { state: 'firing', since: long, seen_at: long, updated_at: long, value: 3 };
    await service.db.collection<Json>('alerts').insertOne({ _id: 'space_low:gone', ...gone });
    await eventually(() => expect(told('/alerts', 'space_low', 'alert.resolved')).toHaveLength(1));
    expect(told('/alerts', 'space_low')[0].data).toMatchObject({ of: 'gone' });
  });
});

describe('what an API knows without a worker', () => {
  it('is that there is none, that answers wait, and that the disk is full: it says so by itself', async () => {
    const service = await startTestService('api', {
      ...QUICK,
      ALERT_BACKLOG: '1',
      ALERT_OLDEST_WAIT_S: '1',
      ALERT_SPACE_PERCENT: '100',
    });
    try {
      const secret = await watched(await service.user('root', 'admin'), '/alone');
      const alice = await service.user('alice');
      const session = await alice.session(['q1', 'q2']);
      await alice.upload(session, 'q1', fresh('answer-0870.webm'));
      await alice.upload(session, 'q2', fresh('answer-0880.webm'));
      await eventually(() => {
        const firing = receiver.at('/alone', 'alert.firing').map(({ body }) => [body.data.alert, body.data.of]);
        expect(firing).toContainEqual(['no_worker', null]);
        expect(firing).toContainEqual(['backlog', 'transcription']);
        expect(firing).toContainEqual(['oldest_wait', 'transcription']);
        expect(firing).toContainEqual(['space_low', expect.any(String)]);
      });
      for (const one of receiver.at('/alone')) expect(verified(one, secret).type).toBe('alert.firing');

      const worker = await startTestService('worker', {
        ...service.environment,
        TRANSCRIBER: 'local',
        LOG_LEVEL: 'silent',
      });
      await eventually(() => {
        const over = receiver.at('/alone', 'alert.resolved').map(({ body }) => body.data.alert as string);
        expect(over).toEqual(expect.arrayContaining(['no_worker', 'backlog', 'oldest_wait']));
      });
      await worker.stop();
    } finally {
      await service.stop();
    }
  });

  it('is not that an upload was refused, but that one broke off', async () => {
    const service = await startTestService('api', QUICK);
    try {
      await watched(await service.user('root', 'admin'), '/uploads');
      const alice = await service.user('alice');
      const session = await alice.session(['q1']);
      expect((await alice.upload(session, 'q1', Buffer.from('No audio at all'))).status).toBe(415);
      await eventually(async () => expect((await service.rows(session))[0].state).toBe('failed'));
      const rate = async () => {
        const found = await service.service.app.get(AlertConditions, { strict: false }).read();
        return found.find(({ id }) => id === 'upload_failures')?.value;
      };
      expect(await rate()).toBe(0);
      const upload = await RawUpload.begin(alice, `/api/upload-answer/${session}/q1`, 100_000);
      await upload.write(filePart());
      await upload.write(speech('reading.webm').subarray(0, 2000));
      await eventually(async () => expect(await service.rows(session)).toHaveLength(2));
      upload.hangUp();
      await eventually(() => expect(told('/uploads', 'upload_failures', 'alert.firing')).toHaveLength(1));
      for (const question of ['q1', 'q1', 'q1']) await alice.upload(session, question, fresh('answer-0870.webm'));
      // One in four: takes that a newer one replaced arrived whole as well.
      expect(await rate()).toBe(25);
    } finally {
      await service.stop();
    }
  });

  it('counts a stage that ended with its last worker as failed', async () => {
    const service = await startTestService('api', QUICK);
    try {
      const ended = (number: number) => ({
        upload_id: new mongo.ObjectId(),
        stage: 'analysis',
        number,
        outcome: 'lost',
      });
      const attempts = service.db.collection('attempts');
      const conditions = service.service.app.get(AlertConditions, { strict: false });
      const rate = async () => (await conditions.read()).find(({ id }) => id === 'failures')?.value;
      await attempts.insertOne(ended(1));
      expect(await rate()).toBe(0);
      await attempts.insertOne(ended(3));
      expect(await rate()).toBe(100);
    } finally {
      await service.stop();
    }
  });

  it('lasts while it cannot be looked at, unless its machine is gone', async () => {
    const service = await startTestService('api', QUICK);
    try {
      const long = new Date(Date.now() - 3_600_000);
      const seen = { state: 'firing', since: long, seen_at: long, updated_at: long, value: 0 };
      const alerts = service.db.collection<Json>('alerts');
      await alerts.insertMany(['no_worker', 'space_low:gone'].map((_id) => ({ _id, ...seen })));
      await service.service.app.get(AlertLedger, { strict: false }).resolveForgotten(new Date());
      expect(await alerts.findOne({ _id: 'no_worker' })).toMatchObject({ state: 'firing' });
      expect(await alerts.findOne({ _id: 'space_low:gone' })).toMatchObject({ state: 'ok' });
    } finally {
      await service.stop();
    }
  });

  it('is told without a DATA_DIR too: the folder is made at the start, and may go later', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vivavoce-alerts-'));
    const DATA_DIR = join(folder, 'not/there');
    const service = await startTestService('api', { ...QUICK, DATA_DIR });
    try {
      expect(existsSync(DATA_DIR)).toBe(true);
      await rm(folder, { recursive: true });
      await watched(await service.user('root', 'admin'), '/folderless');
      await eventually(() => expect(told('/folderless', 'no_worker', 'alert.firing')).toHaveLength(1));
    } finally {
      await service.stop();
    }
  });

  it('is not looked for while nobody wants to be told', async () => {
    const service = await startTestService('api', QUICK);
    try {
      const root = await service.user('root', 'admin');
      const { body } = await root.post('/api/webhooks', {
        url: receiver.url('/nobody'),
        events: ['alert.firing'],
        scope: 'global',
      });
      await eventually(async () => expect(await service.db.collection('locks').countDocuments()).toBe(1));
      await root.delete(`/api/webhooks/${body.id}`);
      const watch = service.service.app.get(AlertWatch, { strict: false });
      // One that began before is over then.
      await watch.once();
      await service.db.collection('locks').deleteMany({});
      // A look more would have taken the turn again.
      await watch.once();
      expect(await service.db.collection('locks').countDocuments()).toBe(0);
    } finally {
      await service.stop();
    }
  });
});
