// The environment of a test file that shares the realm of its process: see runtime.cjs. What jest puts there for the file, and what
// the file changes by means of jest, is gone when the file ends.
const { ModernFakeTimers } = require('@jest/fake-timers');
const { ModuleMocker } = require('jest-mock');

/** Where jest.setTimeout() and jest.retryTimes() put what is set. */
const SETTINGS = [
  'TEST_TIMEOUT_SYMBOL',
  'RETRY_TIMES',
  'WAIT_BEFORE_RETRY',
  'RETRY_IMMEDIATELY',
  'LOG_ERRORS_BEFORE_RETRY',
];

class OneRealmEnvironment {
  global = globalThis;
  moduleMocker = new ModuleMocker(globalThis);
  fakeTimers = null;
  fakeTimersModern;
  #before = { globals: Reflect.ownKeys(globalThis), console, exit: process.exit, env: { ...process.env } };
  #globalsOfJest = SETTINGS.map((name) => Symbol.for(name));

  constructor({ projectConfig }) {
    if ('describe' in globalThis)
      throw new Error('Jest has left something of another test file behind: see teardown()');
    this.fakeTimersModern = new ModernFakeTimers({ config: projectConfig, global: globalThis });
    Error.stackTraceLimit = 100;
  }

  async setup() {}

  handleTestEvent({ name }) {
    // Nothing of the file is loaded yet: what came until now is describe, it, expect and the state of what runs the tests.
    if (name !== 'setup') return;
    this.#globalsOfJest.push(...Reflect.ownKeys(globalThis).filter((key) => !this.#before.globals.includes(key)));
  }

  async teardown() {
    this.fakeTimersModern.dispose();
    for (const key of this.#globalsOfJest) Reflect.deleteProperty(globalThis, key);
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, this.#before.env);
    process.exit = this.#before.exit;
    globalThis.console = this.#before.console;
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  /** There is none. Jest asks for it when it loads a module itself, which runtime.cjs does instead, and then fails. */
  getVmContext() {
    return null;
  }
}

module.exports = OneRealmEnvironment;
