import { Global, Module, type ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SignJWT } from 'jose';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuthModule } from '../../src/auth/auth.module.js';
import { CommonModule } from '../../src/common/common.module.js';
import { configureHttp } from '../../src/common/http-setup.js';
import { Log, NestLog } from '../../src/common/logging.js';
import { Config, loadConfig } from '../../src/config/config.js';
import { buildOpenApi } from '../../src/ops/openapi.js';
import { serveDocs } from '../../src/ops/docs.js';

export const TEST_SECRET = 'a-secret-for-tests-that-is-long-enough';

export interface MannersApp {
  url: string;
  app: NestExpressApplication;
  config: Config;
  /** Every line logged so far, parsed. */
  lines: Record<string, unknown>[];
  close(): Promise<void>;
}

/** An application with the given controllers and nothing of the product but its manners, on real HTTP. */
export async function startMannersApp(
  parts: Pick<ModuleMetadata, 'controllers' | 'imports' | 'providers'>,
  environment: Record<string, string> = {},
): Promise<MannersApp> {
  const config = loadConfig({
    NODE_ENV: 'test',
    JWT_SECRET: TEST_SECRET,
    DATA_DIR: mkdtempSync(join(tmpdir(), 'vivavoce-manners-')),
    LOG_LEVEL: 'trace',
    ...environment,
  });
  const lines: Record<string, unknown>[] = [];
  const log = new Log(config, {
    write: (line: string) => {
      lines.push(JSON.parse(line) as Record<string, unknown>);
    },
  });

  @Global()
  @Module({ providers: [{ provide: Config, useValue: config }], exports: [Config] })
  class SettingsModule {}

  @Module({
    imports: [SettingsModule, CommonModule, AuthModule, ...(parts.imports ?? [])],
    controllers: parts.controllers ?? [],
    providers: parts.providers ?? [],
  })
  class TestModule {}

  const app = await NestFactory.create<NestExpressApplication>(TestModule, {
    logger: new NestLog(log),
    bodyParser: false,
    abortOnError: false,
  });
  configureHttp(app, config, log);
  serveDocs(app, () => buildOpenApi(app));
  await app.listen(0, '127.0.0.1');
  return { url: await app.getUrl(), app, config, lines, close: () => app.close() };
}

/** An `Authorization` header for a user, signed with the test's secret. */
export async function bearer(user = 'alice', claims: Record<string, unknown> = {}): Promise<{ authorization: string }> {
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(TEST_SECRET));
  return { authorization: `Bearer ${token}` };
}
