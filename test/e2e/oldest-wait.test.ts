import { AlertConditions } from '../../src/alerts/alert.conditions.js';
import { QueueDepths } from '../../src/queue/queue-depths.js';
import { type ServiceWithEngine, startWithEngine } from '../support/engine.js';
import { serverError } from '../support/openai-behaviour.js';
import { eventually, fresh } from '../support/service.js';

describe('an engine that is down', () => {
  let running: ServiceWithEngine;

  beforeAll(async () => {
    running = await startWithEngine('all', { STAGE_ATTEMPTS: '20', ALERT_OLDEST_WAIT_S: '1' });
    running.engine.otherwise(serverError);
  });
  afterAll(() => running.stop());

  it('does not begin the wait of an answer anew with each try: the alert tells of it, until it is done', async () => {
    const { service, engine } = running;
    const alice = await service.user('alice');
    const session = await alice.session();
    await alice.upload(session, 'q1', fresh('answer-0870.webm'));
    const arrivedAt = Date.now();
    const get: typeof service.service.app.get = (type: never) => service.service.app.get(type, { strict: false });
    const oldestWaitS = async () => (await get(QueueDepths).read())[0]!.oldestWaitS;
    const alert = async () => (await get(AlertConditions).read()).find(({ id }) => id === 'oldest_wait:transcription');

    for (const tries of [2, 3, 4]) {
      await engine.seen(tries);
      await eventually(async () => {
        const sinceS = (Date.now() - arrivedAt) / 1000;
        expect(await oldestWaitS()).toBeGreaterThanOrEqual(sinceS);
      });
    }
    await eventually(async () => expect(await alert()).toMatchObject({ holds: true }));
    engine.otherwise({ does: 'answer' });
    await alice.answer(session, 'q1');
    expect(await oldestWaitS()).toBe(0);
    expect(await alert()).toMatchObject({ holds: false });
  });
});
