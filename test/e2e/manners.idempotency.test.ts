import { Body, Controller, Get, HttpCode, Injectable, Post } from '@nestjs/common';
import { getConnectionToken, MongooseModule } from '@nestjs/mongoose';
import { IsInt } from 'class-validator';
import type { Connection } from 'mongoose';
import { once } from 'node:events';
import { EventEmitter } from 'node:events';
import { ConflictError } from '../../src/common/app-error.js';
import { Idempotency } from '../../src/idempotency/idempotency.js';
import { IdempotencyModule } from '../../src/idempotency/idempotency.module.js';
import { Idempotent } from '../../src/idempotency/idempotent.decorator.js';
import { testMongoUri, uniqueDatabase } from '../support/servers.js';
import { eventually } from '../support/service.js';
import { bearer, type MannersApp, startMannersApp } from './manners.app.js';

class OrderDto {
  @IsInt()
  amount!: number;
}

@Injectable()
class Till {
  count = 0;
  readonly events = new EventEmitter();
}

@Controller('api')
class OrdersController {
  constructor(private readonly till: Till) {}

  @Idempotent()
  @Post('orders')
  @HttpCode(201)
  order(@Body() { amount }: OrderDto) {
    if (amount < 0) throw new ConflictError('x', 'No');
    return { order: ++this.till.count, amount, 'a.$b': null };
  }

  @Idempotent()
  @Post('slow')
  async slow() {
    this.till.events.emit('begun');
    await once(this.till.events, 'go');
    return { order: ++this.till.count };
  }

  @Get('count')
  count() {
    return { count: this.till.count };
  }
}

let service: MannersApp;
let till: Till;
let idempotency: Idempotency;

beforeAll(async () => {
  const parts = {
    controllers: [OrdersController],
    imports: [MongooseModule.forRoot(testMongoUri(), { dbName: uniqueDatabase() }), IdempotencyModule],
    providers: [Till],
  };
  service = await startMannersApp(parts, { UPLOAD_LEASE_S: '3' });
  till = service.app.get(Till);
  idempotency = service.app.get(Idempotency);
});
afterAll(() => service.close());

const rows = () => service.app.get<Connection>(getConnectionToken()).db!.collection('idempotency_keys');

const order = async (key: string | undefined, body: unknown, { user = 'alice', path = '/api/orders' } = {}) =>
  fetch(service.url + path, {
    method: 'POST',
    headers: {
      ...(await bearer(user)),
      'content-type': 'application/json',
      ...(key ? { 'idempotency-key': key } : {}),
    },
    body: JSON.stringify(body),
  });

describe('Idempotency-Key on JSON routes', () => {
  it('the same key and content give the first response again, whatever the order of the fields', async () => {
    const first = await order('k1', { amount: 5, note: 'x' });
    const again = await order('k1', { note: 'x', amount: 5 });
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(await again.json()).toEqual(await first.json());
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(first.headers.get('idempotency-replayed')).toBeNull();
  });

  it('the same key with other content is 409', async () => {
    await order('k2', { amount: 5 });
    const other = await order('k2', { amount: 6 });
    expect(other.status).toBe(409);
    expect(await other.json()).toEqual({ detail: 'This Idempotency-Key was used with other content' });
  });

  it('keys of another user or route, and requests without one, have nothing to do with it', async () => {
    const before = till.count;
    await order('k3', { amount: 1 });
    await order('k3', { amount: 2 }, { user: 'bob' });
    await order(undefined, { amount: 1 });
    await order(undefined, { amount: 1 });
    expect(till.count - before).toBe(4);
  });

  it('a refused request may be put right under its key', async () => {
    expect((await order('k4', { amount: -1 })).status).toBe(409);
    expect((await order('k4', { amount: 'x' })).status).toBe(422);
    expect((await order('k4', { amount: 1 })).status).toBe(201);
  });

  it('twenty at once are carried out once', async () => {
    const before = till.count;
    const answers = await Promise.all(Array.from({ length: 20 }, () => order('k5', { amount: 9 })));
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(bodies).size).toBe(1);
    expect(till.count - before).toBe(1);
  });

  it('one that takes longer than another will wait for is 409 with Retry-After', async () => {
    const begun = once(till.events, 'begun');
    const first = order('k6', {}, { path: '/api/slow' });
    await begun;
    const second = await order('k6', {}, { path: '/api/slow' });
    expect([second.status, second.headers.get('retry-after')]).toEqual([409, '2']);
    till.events.emit('go');
    expect((await first).status).toBe(201);
    expect((await order('k6', {}, { path: '/api/slow' })).status).toBe(201);
  });

  it('one that takes long has its key for as long', async () => {
    const lease = async () => (await rows().findOne({ route: 'POST /api/slow', state: 'in_flight' }))?.['lease_until'];
    const begun = once(till.events, 'begun');
    const slow = order('k7', {}, { path: '/api/slow' });
    await begun;
    const first = await lease();
    expect(first).toBeInstanceOf(Date);
    await eventually(async () => expect(await lease()).not.toEqual(first));
    till.events.emit('go');
    expect((await slow).status).toBe(201);
  });

  it.each(['x'.repeat(256), 'two words'])('the key %j is 422', async (key) => {
    const response = await order(key, { amount: 1 });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ detail: [{ loc: ['header', 'idempotency-key'] }] });
  });
});

describe('Idempotency where the content is known only at the end', () => {
  const request = (key: string) => ({ userId: 'alice', route: 'POST /upload', key });

  it('what was stored comes back with its fingerprint, status and body', async () => {
    const { claim } = await idempotency.begin(request('u1'));
    expect(await idempotency.complete(claim!, 'sha', { status: 200, body: { file_id: 'f' } })).toBe(true);
    expect(await idempotency.begin(request('u1'))).toEqual({
      claim: null,
      earlier: { fingerprint: 'sha', status: 200, body: { file_id: 'f' } },
    });
  });

  it('an attempt that died is taken over after its lease, and cannot answer any more', async () => {
    const dead = (await idempotency.begin(request('u2'))).claim!;
    await rows().updateOne({ token: dead.token }, { $set: { lease_until: new Date(0) } });
    const heir = (await idempotency.begin(request('u2'))).claim!;
    expect(heir.token).not.toBe(dead.token);
    expect(await idempotency.renew(dead)).toBe(false);
    expect(await idempotency.complete(dead, 'sha', { status: 200, body: 'dead' })).toBe(false);
    expect(await idempotency.renew(heir)).toBe(true);
    expect(await idempotency.complete(heir, 'sha', { status: 200, body: 'heir' })).toBe(true);
  });

  it('a key that expired is as good as new, even where the database has not removed it', async () => {
    const { claim } = await idempotency.begin(request('u3'));
    await idempotency.complete(claim!, 'sha', { status: 200, body: 1 });
    await rows().updateOne({ token: claim!.token }, { $set: { expires_at: new Date(0) } });
    expect((await idempotency.begin(request('u3'))).claim).not.toBeNull();
  });

  it('keys of a user can be erased', async () => {
    await idempotency.begin({ userId: 'gone', route: 'POST /x', key: 'a' });
    expect(await idempotency.eraseUser('gone')).toBe(1);
  });
});
