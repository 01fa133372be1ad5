import type { Role } from '../../src/app.module.js';
import { type OpenAiServer, startOpenAiServer } from './openai-server.js';
import { startTestService, type TestService } from './service.js';

/** A service whose speech engine is a server in this process that speaks OpenAI's protocol. */
export interface ServiceWithEngine {
  service: TestService;
  engine: OpenAiServer;
  stop: () => Promise<void>;
}

/** Scores offline; retries within an attempt are off unless the environment says otherwise. */
export async function startWithEngine(
  role: Role = 'all',
  environment: Record<string, string> = {},
): Promise<ServiceWithEngine> {
  const engine = await startOpenAiServer();
  const service = await startTestService(role, {
    TRANSCRIBER: 'openai',
    OPENAI_API_KEY: 'sk-test-a-key-that-stays-secret',
    OPENAI_BASE_URL: engine.url,
    OPENAI_MAX_RETRIES: '0',
    SCORER: 'rubric',
    ...environment,
  });
  const stop = async () => {
    await service.stop();
    await engine.close();
  };
  return { service, engine, stop };
}
