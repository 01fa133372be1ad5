import { MongooseModule } from '@nestjs/mongoose';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import { LimitsModule } from '../../src/limits/limits.module.js';
import { OpsModule } from '../../src/ops/ops.module.js';
import { testMongoUri, testRedisUrl, uniqueDatabase } from '../support/servers.js';
import { type MannersApp, startMannersApp } from './manners.app.js';
import { MannersController } from './manners.controller.js';
import { lacksOf } from './openapi.rules.js';

let service: MannersApp;
let document: OpenAPIObject;

beforeAll(async () => {
  service = await startMannersApp(
    {
      controllers: [MannersController],
      imports: [LimitsModule, OpsModule, MongooseModule.forRoot(testMongoUri(), { dbName: uniqueDatabase() })],
    },
    { REDIS_URL: testRedisUrl() },
  );
  document = (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenAPIObject;
});
afterAll(() => service.close());

describe('/openapi.json', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>);
    expect(result).toMatchObject({ valid: true });
    expect(document.openapi).toBe('3.1.0');
  });

  it('has no words of OpenAPI 3.0 left', () => {
    expect(JSON.stringify(document)).not.toContain('"nullable"');
    const question = document.components?.schemas?.['QuestionDto'] as { properties: Record<string, unknown> };
    expect(question.properties['weight']).toMatchObject({ type: ['number', 'null'] });
  });

  it('names operations as FastAPI does', () => {
    expect(document.paths['/api/upload-answer/{session_id}/{question_id}']?.post?.operationId).toBe(
      'upload_answer_api_upload_answer__session_id___question_id__post',
    );
    expect(document.paths['/health/live']?.get?.operationId).toBe('liveness_health_live_get');
  });

  it("has FastAPI's schemas of validation errors, and 422 wherever there is input", () => {
    expect(document.components?.schemas?.['HTTPValidationError']).toEqual({
      properties: {
        detail: { items: { $ref: '#/components/schemas/ValidationError' }, type: 'array', title: 'Detail' },
      },
      type: 'object',
      title: 'HTTPValidationError',
    });
    expect(document.paths['/api/interviews']?.post?.responses['422']).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/HTTPValidationError' } } },
    });
    expect(document.paths['/api/me']?.get?.responses['422']).toBeUndefined();
  });

  it('describes ids, errors and who needs a token', () => {
    const upload = document.paths['/api/upload-answer/{session_id}/{question_id}']?.post;
    expect(upload?.parameters).toMatchObject([
      { name: 'session_id', in: 'path', required: true, schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } },
      { name: 'question_id', in: 'path', required: true },
    ]);
    expect(upload?.security).toEqual([{ HTTPBearer: [] }]);
    expect(document.paths['/health/ready']?.get?.security).toBeUndefined();
    expect(document.components?.securitySchemes).toEqual({
      HTTPBearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    });
    expect(document.paths['/api/interviews']?.post?.responses['401']).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/HTTPError' } } },
    });
    expect(JSON.stringify(document)).not.toContain('x-public');
  });

  it('names every status that an operation may answer with, whatever its own code says', () => {
    const statuses = (path: string, method: 'get' | 'post') =>
      Object.keys(document.paths[path]?.[method]?.responses ?? {});
    expect(statuses('/api/interviews', 'post')).toEqual(
      expect.arrayContaining(['400', '401', '409', '413', '422', '429', '503']),
    );
    expect(statuses('/api/uploads/{upload_id}', 'get')).toEqual(expect.arrayContaining(['400', '401', '422', '503']));
    expect(statuses('/api/me', 'get').sort()).toEqual(['200', '401', '429', '500', '503']);
    expect(statuses('/health/live', 'get')).toEqual(['200', '500']);
  });

  it('lacks nothing that a reader would look for', () => {
    expect(lacksOf(document)).toEqual([]);
  });
});

describe('what tells a document that lacks something', () => {
  it('names the operation and each lack', () => {
    const bare = {
      ...document,
      paths: { '/x': { get: { responses: { 200: { description: '' } } } } },
    } as unknown as OpenAPIObject;
    expect(lacksOf(bare)).toEqual([
      'GET /x: no operationId',
      'GET /x: no summary',
      'GET /x: no tag',
      'GET /x: response 200 has no schema',
    ]);
  });
});

describe('the pages', () => {
  const addressesIn = (html: string) =>
    [...html.matchAll(/(?:src|href|spec-url)="([^"]+)"/g)].map(([, address]) => address ?? '');

  it.each(['/docs', '/redoc'])('%s and everything it loads come from this service', async (path) => {
    const page = await fetch(service.url + path);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    const html = await page.text();
    expect(html).not.toMatch(/<script>|https?:\/\//);
    for (const address of addressesIn(html)) {
      const file = await fetch(service.url + address);
      expect([address, file.status]).toEqual([address, 200]);
      expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(30);
    }
  });

  it('nothing else of the packages is served', async () => {
    for (const path of ['/docs/assets/package.json', '/docs/assets/../package.json', '/redoc/redoc.lib.js']) {
      expect((await fetch(service.url + path)).status).toBe(404);
    }
  });
});
