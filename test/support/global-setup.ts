import './typescript-resolution.cjs';
import { startSharedServers } from './shared-servers.js';

/** Starts the MongoDB and the Redis that all test files share; their addresses reach the workers by the environment. */
export default async function globalSetup(): Promise<void> {
  const shared = await startSharedServers();
  Object.assign(process.env, shared.environment);
  (globalThis as { stopSharedServers?: () => Promise<void> }).stopSharedServers = () => shared.stop();
}
