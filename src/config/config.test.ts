import { ConfigError, loadConfig } from './config.js';
import { variables } from './variables.js';

const production = {
  NODE_ENV: 'production',
  MONGODB_URI: 'mongodb://db.example:27017',
  REDIS_URL: 'redis://cache.example:6379',
  JWT_SECRET: 'k'.repeat(32),
};

function faultsOf(environment: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('the settings', () => {
  it('need nothing on a laptop', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ ROLE: 'all', PORT: 8000, HOST: '127.0.0.1', MONGODB_URI: null, REDIS_URL: null });
    expect(Object.keys(config)).toEqual(Object.keys(variables));
  });

  it('cannot be changed afterwards', () => {
    const config = loadConfig({});
    expect(() => ((config as { PORT: number }).PORT = 1)).toThrow(TypeError);
  });

  it('take numbers, flags, lists and words from text', () => {
    const config = loadConfig({
      PORT: '9000',
      STAGE_BACKOFF_S: '0.5',
      MONGODB_DOWNLOAD: 'No',
      CORS_ORIGINS: 'https://a.example, ,https://b.example',
      SCORER: 'rubric',
    });
    expect(config).toMatchObject({ PORT: 9000, STAGE_BACKOFF_S: 0.5, MONGODB_DOWNLOAD: false, SCORER: 'rubric' });
    expect(config.CORS_ORIGINS).toEqual(['https://a.example', 'https://b.example']);
  });

  it('take an empty or blank value as unset', () => {
    expect(loadConfig({ PORT: '', REDIS_HOST: '  ', MONGODB_URI: '' })).toMatchObject({
      PORT: 8000,
      REDIS_HOST: null,
      MONGODB_URI: null,
    });
  });

  it('prefer what the command line said', () => {
    expect(loadConfig({ PORT: '9000' }, { PORT: '9001' }).PORT).toBe(9001);
  });

  it('report every fault on a line of its own that begins with the variable', () => {
    const environment = {
      PORT: '70000',
      LOG_LEVEL: 'loud',
      MONGODB_DOWNLOAD: 'perhaps',
      MONGODB_URI: 'postgres://x',
      STAGE_ATTEMPTS: '1.5',
    };
    const faults = faultsOf(environment);
    expect(faults.map((fault) => fault.split(':')[0]).sort()).toEqual(Object.keys(environment).sort());
    expect(faults.join('')).not.toContain('\n');
    expect(() => loadConfig(environment)).toThrow(faults.join('\n'));
  });

  it('never print a value, right or wrong', () => {
    const wrong = Object.fromEntries(Object.keys(variables).map((name) => [name, 'hunter2-\u0000']));
    const faults = faultsOf({ ...wrong, JWT_SECRET: 'hunter2' });
    expect(faults.length).toBeGreaterThan(20);
    expect(faults.join('\n')).not.toContain('hunter2');
  });

  it('take replica sets and SRV names as MongoDB addresses', () => {
    const uri = 'mongodb://a.example:27017,b.example:27017/?replicaSet=rs0';
    expect(loadConfig({ MONGODB_URI: uri }).MONGODB_URI).toBe(uri);
    expect(loadConfig({ MONGODB_URI: 'mongodb+srv://cluster.example' }).MONGODB_URI).toBe(
      'mongodb+srv://cluster.example',
    );
    expect(faultsOf({ MONGODB_URI: 'mongodb://' })).toHaveLength(1);
  });

  it.each([
    ['REDIS_URL', 'redis://:hunter#2@redis.internal:6379'],
    ['REDIS_URL', 'redis://:hunter/2@redis.internal:6379'],
    ['MONGODB_URI', 'mongodb://app:p/hunter2@host/x'],
    ['MONGODB_URI', 'mongodb://app:hunter%2@host/x'],
    ['MONGODB_URI', 'mongodb://host/?hunter2=1'],
    ['MONGODB_DB', 'hunter 2$.'],
    ['JWT_JWKS_URL', 'https://:::hunter2'],
    ['CORS_ORIGINS', 'https://a.example,hunter2'],
    ['CORS_ORIGINS', '*.hunter2.example'],
    ['CORS_ORIGINS', 'https://a.example/hunter2'],
  ])('refuse a %s that nothing could be done with, such as %s, without repeating it', (name, value) => {
    const faults = faultsOf({ [name]: value });
    expect(faults).toEqual([expect.stringMatching(new RegExp(`^${name}: must be `))]);
    expect(faults[0]).not.toContain('hunter');
  });

  it('take origins as browsers send them', () => {
    const given =
      'http://a.example/,https://B.example:443,http://[::1]:8080,*,null,capacitor://localhost,tauri://localhost/';
    const sent = ['http://a.example', 'https://b.example', 'http://[::1]:8080', '*', 'null'];
    const apps = ['capacitor://localhost', 'tauri://localhost'];
    expect(loadConfig({ CORS_ORIGINS: given }).CORS_ORIGINS).toEqual([...sent, ...apps]);
  });

  describe('in production', () => {
    it('are complete with MongoDB, Redis and a key', () => {
      expect(loadConfig(production).NODE_ENV).toBe('production');
      expect(faultsOf({ ...production, JWT_SECRET: undefined, JWT_JWKS_URL: 'https://id.example/jwks' })).toEqual([]);
      expect(faultsOf({ ...production, REDIS_URL: undefined, REDIS_HOST: 'cache.example' })).toEqual([]);
    });

    it.each(['MONGODB_URI', 'REDIS_URL', 'JWT_SECRET'])('are refused without %s', (name) => {
      const faults = faultsOf({ ...production, [name]: undefined });
      expect(faults).toEqual([expect.stringMatching(new RegExp(`^${name}: .*production`))]);
    });

    it('are refused with nothing but ENVIRONMENT=production, as with NODE_ENV', () => {
      expect(faultsOf({ ENVIRONMENT: 'production' })).toEqual(faultsOf({ NODE_ENV: 'production' }));
      expect(faultsOf({ ENVIRONMENT: 'production' })).toHaveLength(3);
    });

    it('are refused when NODE_ENV and ENVIRONMENT contradict each other', () => {
      expect(faultsOf({ NODE_ENV: 'development', ENVIRONMENT: 'production' })).toEqual([
        expect.stringMatching(/^NODE_ENV: /),
      ]);
    });
  });

  it.each(['api', 'worker'])('need MongoDB and Redis for the role %s', (role) => {
    expect(faultsOf({ ROLE: role })).toEqual([
      expect.stringMatching(/^MONGODB_URI: /),
      expect.stringMatching(/^REDIS_URL: /),
    ]);
  });

  it('read the key of tokens from JWT_SECRET_KEY too, and from JWT_SECRET first', () => {
    const [one, other] = ['a'.repeat(32), 'b'.repeat(32)];
    expect(loadConfig({ JWT_SECRET_KEY: one }).JWT_SECRET).toBe(one);
    expect(loadConfig({ JWT_SECRET_KEY: one, JWT_SECRET: other }).JWT_SECRET).toBe(other);
    expect(loadConfig({ ...production, JWT_SECRET: undefined, JWT_SECRET_KEY: one }).JWT_SECRET).toBe(one);
  });

  it('refuse a key of tokens that is too short, and engines without a key', () => {
    expect(faultsOf({ JWT_SECRET: 'short' })).toEqual([expect.stringMatching(/^JWT_SECRET: .*32/)]);
    expect(faultsOf({ TRANSCRIBER: 'openai' })).toEqual([expect.stringMatching(/^OPENAI_API_KEY: /)]);
    expect(faultsOf({ SCORER: 'openai' })).toEqual([expect.stringMatching(/^OPENAI_API_KEY: /)]);
  });

  describe('of S3', () => {
    const s3 = { AUDIO_ARCHIVE: 's3', S3_BUCKET: 'interviews' };

    it('are read from the names that AWS gives them too, and from ours first', () => {
      const aws = {
        AWS_S3_BUCKET: 'theirs',
        AWS_REGION: 'eu-west-1',
        AWS_ACCESS_KEY_ID: 'id',
        AWS_SECRET_ACCESS_KEY: 'key',
        AWS_SESSION_TOKEN: 'token',
      };
      expect(loadConfig({ AUDIO_ARCHIVE: 's3', ...aws })).toMatchObject({
        S3_BUCKET: 'theirs',
        S3_REGION: 'eu-west-1',
        S3_ACCESS_KEY_ID: 'id',
        S3_SECRET_ACCESS_KEY: 'key',
        S3_SESSION_TOKEN: 'token',
      });
      const ours = { S3_BUCKET: 'ours', S3_REGION: 'auto' };
      expect(loadConfig({ AUDIO_ARCHIVE: 's3', ...aws, ...ours })).toMatchObject(ours);
    });

    it('are refused without a bucket, where audio is archived there', () => {
      expect(faultsOf({ AUDIO_ARCHIVE: 's3' })).toEqual([expect.stringMatching(/^S3_BUCKET: /)]);
      expect(faultsOf({ AUDIO_ARCHIVE: 'gridfs' })).toEqual([]);
      expect(faultsOf(s3)).toEqual([]);
    });

    it.each(['4', '101', '8.5', 'many'])('are refused with parts of %s MiB', (size) => {
      expect(faultsOf({ ...s3, S3_PART_SIZE_MB: size })).toEqual([expect.stringMatching(/^S3_PART_SIZE_MB: /)]);
    });

    it.each([5, 100])('take parts of %i MiB', (size) => {
      expect(loadConfig({ ...s3, S3_PART_SIZE_MB: String(size) }).S3_PART_SIZE_MB).toBe(size);
    });

    it('need no keys: the machine itself may have some; half of a pair is none', () => {
      const none = { S3_ACCESS_KEY_ID: null, S3_SECRET_ACCESS_KEY: null, S3_SESSION_TOKEN: null };
      expect(loadConfig(s3)).toMatchObject(none);
      for (const half of [{ S3_ACCESS_KEY_ID: 'id' }, { AWS_SECRET_ACCESS_KEY: 'hunter2' }])
        expect(faultsOf({ ...s3, ...half })).toEqual([expect.stringMatching(/^S3_ACCESS_KEY_ID: /)]);
    });
  });
});
