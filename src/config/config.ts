import type { Variable } from './variable.js';
import { variables } from './variables.js';

type Values = { readonly [K in keyof typeof variables]: (typeof variables)[K] extends Variable<infer T> ? T : never };

/** Thrown when the environment is not usable: one line per fault, naming variables and never their values. */
export class ConfigError extends Error {
  constructor(readonly faults: string[]) {
    super(faults.join('\n'));
    this.name = 'ConfigError';
  }
}

/** The service's settings: validated, typed, frozen. Injectable by its class. Units are in each name. */
// The class is the injection token, the interface its fields: both must carry the one name.
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class Config {}
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type
export interface Config extends Values {}

function read(environment: NodeJS.ProcessEnv, name: string, spec: Variable<unknown>): string | undefined {
  for (const candidate of [name, ...spec.aliases]) {
    const value = environment[candidate]?.trim();
    if (value) return value;
  }
  return undefined;
}

/** Rules that more than one variable takes part in. */
function crossChecks(values: Values, environment: NodeJS.ProcessEnv): string[] {
  const faults: string[] = [];
  if (values.JWT_SECRET !== null && values.JWT_SECRET.length < 32)
    faults.push('JWT_SECRET: must be at least 32 characters');
  if (values.WEBHOOK_ENCRYPTION_KEY !== null && values.WEBHOOK_ENCRYPTION_KEY.length < 32)
    faults.push('WEBHOOK_ENCRYPTION_KEY: must be at least 32 characters');
  const longestRetryS = values.WEBHOOK_RETRY_S.reduce((sum, wait) => sum + wait * 1.2, 0);
  if (longestRetryS > values.WEBHOOK_LOG_RETENTION_D * 86_400)
    faults.push('WEBHOOK_RETRY_S: takes longer than deliveries are kept (WEBHOOK_LOG_RETENTION_D)');
  if (values.TRANSCRIBER === 'openai' && values.OPENAI_API_KEY === null)
    faults.push('OPENAI_API_KEY: is needed when TRANSCRIBER is openai');
  if (values.SCORER === 'openai' && values.OPENAI_API_KEY === null)
    faults.push('OPENAI_API_KEY: is needed when SCORER is openai');
  if (values.AUDIO_ARCHIVE === 's3' && values.S3_BUCKET === null)
    faults.push('S3_BUCKET: is needed when AUDIO_ARCHIVE is s3');
  if ((values.S3_ACCESS_KEY_ID === null) !== (values.S3_SECRET_ACCESS_KEY === null))
    faults.push('S3_ACCESS_KEY_ID: goes with S3_SECRET_ACCESS_KEY, both or neither');
  if (values.NODE_ENV === 'production' || values.ROLE !== 'all') {
    const why = values.NODE_ENV === 'production' ? 'in production' : `for role ${values.ROLE}`;
    if (values.MONGODB_URI === null) faults.push(`MONGODB_URI: is needed ${why}`);
    if (values.REDIS_URL === null && values.REDIS_HOST === null) faults.push(`REDIS_URL: is needed ${why}`);
  }
  if (values.NODE_ENV === 'production' && values.JWT_SECRET === null && values.JWT_JWKS_URL === null) {
    faults.push('JWT_SECRET: a key is needed in production, here or by JWT_JWKS_URL');
  }
  if (environment['ENVIRONMENT'] === 'production' && values.NODE_ENV !== 'production')
    faults.push('NODE_ENV: contradicts ENVIRONMENT, which says production');
  return faults;
}

/**
 * Reads the settings from an environment.
 *
 * @param overrides wins over the environment: what the command line said.
 * @throws ConfigError with one line per fault
 */
export function loadConfig(
  environment: NodeJS.ProcessEnv = process.env,
  overrides: Partial<Record<keyof typeof variables, string>> = {},
): Config {
  const merged: NodeJS.ProcessEnv = { ...environment, ...overrides };
  if (!merged['NODE_ENV'] && merged['ENVIRONMENT'] === 'production') merged['NODE_ENV'] = 'production';
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(variables) as [string, Variable<unknown>][]) {
    const given = read(merged, name, spec);
    try {
      values[name] = given === undefined ? spec.fallback : spec.parse(given);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      faults.push(`${name}: ${error.message}`);
      values[name] = spec.fallback;
    }
  }
  faults.push(...crossChecks(values as unknown as Values, merged));
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze(Object.assign(new Config(), values));
}
