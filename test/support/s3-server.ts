import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../../src/embedded/server-process.js';
import { until } from './until.js';

export const S3_KEYS = { accessKeyId: 'test-access', secretAccessKey: 'test-secret-of-no-use' };

/** versitygw, as `scripts/bootstrap --s3` builds it; null where there is none. */
export function s3Program(): string | null {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vivavoce/versitygw');
  return [process.env['VERSITYGW'], join(cache, 'versitygw')].find((path) => path && existsSync(path)) ?? null;
}

/** Like `describe`, where an S3 server can be had. In CI its absence fails, elsewhere the suite is skipped and says why. */
export function describeWithS3(name: string, body: () => void): void {
  if (s3Program() || process.env['CI']) describe(name, body);
  else describe.skip(`${name} (no S3 server: scripts/bootstrap --s3 builds versitygw where there is Go)`, body);
}

/** A real S3 server on loopback, over a folder. */
export class S3Server {
  private child: ReturnType<typeof spawn> | null = null;

  private constructor(
    private readonly program: string,
    private readonly folder: string,
    readonly port: number,
  ) {}

  static async start(bucket = 'audio'): Promise<S3Server> {
    const program = s3Program();
    if (!program) throw new Error('versitygw is missing: run scripts/bootstrap --s3');
    const folder = await mkdtemp(join(tmpdir(), 'vivavoce-s3-'));
    for (const name of ['data', 'meta']) await mkdir(join(folder, name));
    const server = new S3Server(program, folder, await freePort());
    await server.run();
    const client = server.client();
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    client.destroy();
    return server;
  }

  private get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  client(): S3Client {
    return new S3Client({ endpoint: this.url, region: 'us-east-1', forcePathStyle: true, credentials: S3_KEYS });
  }

  /** Settings of a service that archives here, or at `endpoint` in front of it. */
  settings(endpoint = this.url, bucket = 'audio'): Record<string, string> {
    return {
      AUDIO_ARCHIVE: 's3',
      S3_ENDPOINT: endpoint,
      S3_BUCKET: bucket,
      S3_FORCE_PATH_STYLE: 'true',
      S3_PART_SIZE_MB: '5',
      AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
    };
  }

  /** Starts it, unless it runs. */
  async run(): Promise<void> {
    if (this.isRunning) return;
    const meta = join(this.folder, 'meta');
    const args = ['--port', `127.0.0.1:${this.port}`, 'posix', '--sidecar', meta, join(this.folder, 'data')];
    const env = { ...process.env, ROOT_ACCESS_KEY: S3_KEYS.accessKeyId, ROOT_SECRET_KEY: S3_KEYS.secretAccessKey };
    this.child = spawn(this.program, args, { env, stdio: 'ignore' });
    const answers = () =>
      fetch(this.url).then(
        () => true,
        () => false,
      );
    await until('the S3 server answers', answers, Boolean);
  }

  /** A bucket is a folder: under another name it is missing, with all that is in it. */
  async renameBucket(from: string, to: string): Promise<void> {
    for (const name of ['data', 'meta']) {
      const path = (bucket: string) => join(this.folder, name, bucket);
      if (existsSync(path(from))) await rename(path(from), path(to));
    }
  }

  async kill(): Promise<void> {
    const child = this.child;
    if (!child || !this.isRunning) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
