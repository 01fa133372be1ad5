import type { OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import { loadConfig } from '../../src/config/config.js';
import { type Service, startService } from '../../src/service.js';
import { testEnvironment } from '../support/servers.js';
import { TEST_SECRET } from './manners.app.js';
import { lacksOf } from './openapi.rules.js';

let service: Service;
let document: OpenAPIObject;

beforeAll(async () => {
  const environment = {
    ...testEnvironment(),
    NODE_ENV: 'test',
    PORT: '0',
    JWT_SECRET: TEST_SECRET,
    LOG_LEVEL: 'silent',
  };
  service = await startService('api', loadConfig(environment));
  document = (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenAPIObject;
});
afterAll(() => service.stop());

describe('the document of the whole API', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>);
    expect(result.errors ?? []).toEqual([]);
  });

  it('has summary, operationId, tag, schemas and examples for every operation', () => {
    expect(lacksOf(document)).toEqual([]);
  });

  it('tells of the headers that go with a limit, with a key, and of a fault of the service', () => {
    const upload = document.paths['/api/upload-answer/{session_id}/{question_id}']?.post;
    const headersOf = (status: string) =>
      Object.keys((upload?.responses[status] as { headers: object }).headers).sort();
    expect(headersOf('200')).toEqual(['Idempotency-Replayed', 'RateLimit', 'RateLimit-Policy']);
    expect(headersOf('429')).toEqual(['RateLimit', 'RateLimit-Policy', 'Retry-After']);
    for (const path of Object.values(document.paths))
      for (const operation of Object.values(path)) expect(Object.keys(operation.responses)).toContain('500');
    expect(JSON.stringify(document)).not.toContain('x-limited');
  });

  it('has no pattern that a client in another language could not compile', () => {
    expect(JSON.stringify(document)).not.toMatch(/"pattern":"[^"]*\(\?[=!<]/);
  });

  it('names the upload of an answer as FastAPI would', () => {
    expect(document.paths['/api/upload-answer/{session_id}/{question_id}']?.post?.operationId).toBe(
      'upload_answer_api_upload_answer__session_id___question_id__post',
    );
  });
});
