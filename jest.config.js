const shared = {
  runtime: '<rootDir>/test/support/one-realm/runtime.cjs',
  testEnvironment: '<rootDir>/test/support/one-realm/environment.cjs',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  setupFiles: ['reflect-metadata'],
};

const withServers = {
  ...shared,
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

export default {
  // Tests wait for states, which end what never comes in time (test/support/patience.ts); this ends what hangs otherwise.
  testTimeout: 600_000,
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/src/**/*.test.ts'] },
    { ...withServers, displayName: 'contract', testMatch: ['<rootDir>/test/contract/**/*.test.ts'] },
    { ...withServers, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.test.ts'] },
    { ...withServers, displayName: 'faults', testMatch: ['<rootDir>/test/faults/**/!(chaos).test.ts'] },
    { ...withServers, displayName: 'chaos', testMatch: ['<rootDir>/test/faults/chaos.test.ts'] },
  ],
};
