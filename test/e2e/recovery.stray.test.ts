import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { jest } from '@jest/globals';
import { recoverCommand } from '../../src/recovery/recovery.commands.js';
import { Intake } from '../../src/uploads/intake.js';
import { type Caller, type Json, speech, startTestService, type TestService } from '../support/service.js';

const WEBM = speech('reading.webm');
const said = (what: string) => Buffer.concat([WEBM, Buffer.from(what)]);
const PATTERN = ['--pattern', '{session_id}_{question_id}.{ext}', '--user', 'alice'];

let service: TestService;
let alice: Caller;
let folder: string;

beforeEach(async () => {
  service = await startTestService('api');
  alice = await service.user('alice');
  folder = await mkdtemp(join(tmpdir(), 'vivavoce-stray-'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await service.stop();
  await rm(folder, { recursive: true, force: true });
});

const command = (...args: string[]) => recoverCommand(args, (use) => use(service.service.app));
const recover = async (...args: string[]): Promise<Json> => JSON.parse(await command('--from', folder, ...args));

async function put(path: string, bytes: Buffer | string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), bytes);
}

/** Once, as soon as a file has gone that far. */
function after(step: 'stage' | 'commit', happens: () => Promise<unknown>): void {
  const steps = Intake.prototype as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const real = steps[step]!;
  jest.spyOn(steps, step).mockImplementationOnce(async function (this: unknown, ...args) {
    const result = await real.apply(this, args);
    await happens();
    return result;
  });
}

describe('recover --from', () => {
  it('uploads files to the questions that their names tell, and reports what matches nothing', async () => {
    await alice.session(['q1', 'q2', 'q3', 'empty', 'text'], { id: 's1' });
    await alice.session(['x'], { id: 's_1' });
    await alice.upload('s1', 'q3', said('another answer'));
    await put('s1_q1.webm', said('one'));
    await put('deep/down/s1_q2.webm', said('two'));
    await put('s1_q3.webm', said('three'));
    await put('s_1_x.webm', said('underscores'));
    await put('s1_q9.webm', said('nine'));
    await put('s9_q1.webm', said('nine'));
    await put('readme.txt', 'not one of them');
    await put('s1_empty.webm', '');
    await put('s1_text.webm', 'this is not audio at all');

    const report = await recover(...PATTERN);
    expect(report).toMatchObject({ dry_run: false, files: 9, uploaded: 3, duplicates: 0, missing: [] });
    expect(Object.fromEntries(report.unmatched.map((each: Json) => [each.file, each.reason]))).toEqual({
      'readme.txt': 'its name matches nothing',
      's1_q3.webm': 'the question has another answer',
      's1_q9.webm': 'there is no such session, or no such question in it',
      's9_q1.webm': 'there is no such session, or no such question in it',
    });
    expect(report.refused.map((each: Json) => each.file).sort()).toEqual(['s1_empty.webm', 's1_text.webm']);

    const { answers } = (await alice.get('/api/sessions/s1')).body;
    expect(answers.q1).toMatchObject({ transcription_status: 'queued', size: said('one').length });
    expect(answers.q2).toMatchObject({ transcription_status: 'queued', size: said('two').length });
    expect(answers.q3.size).toBe(said('another answer').length);
    const [row] = (await alice.get('/api/uploads?session_id=s_1')).body.items;
    expect(row).toMatchObject({ file_name: 's_1_x.webm', content_type: 'audio/webm', status: 'uploaded' });
    expect(await readdir(folder)).toContain('s1_q1.webm');
  });

  it('can be repeated: the same bytes again are duplicates', async () => {
    await alice.session([], { id: 's1' });
    await put('s1_q1.webm', said('one'));
    await put('s1_q2.webm', said('two'));
    expect(await recover(...PATTERN)).toMatchObject({ uploaded: 2, duplicates: 0 });
    await put('s1_q3.webm', said('three'));
    expect(await recover(...PATTERN)).toMatchObject({ uploaded: 1, duplicates: 2, unmatched: [], refused: [] });
    expect(await service.files('s1')).toHaveLength(3);
  });

  it('goes by a map too, for several users, and says which files of it are missing', async () => {
    const bob = await service.user('bob');
    await alice.session([], { id: 's1' });
    await bob.session([], { id: 's1' });
    await put('A/first, best.webm', said('one'));
    await put('B.webm', said('two'));
    const map = join(folder, '.map.csv');
    await writeFile(
      map,
      'user_id,file,session_id,question_id\nalice,"A/first, best.webm",s1,q1\nbob,B.webm,s1,q1\nbob,C.webm,s1,q2\n',
    );
    expect(await recover('--map', map)).toMatchObject({ uploaded: 2, unmatched: [], missing: ['C.webm'] });
    expect((await alice.get('/api/sessions/s1')).body.answers.q1.size).toBe(said('one').length);
    expect((await bob.get('/api/sessions/s1')).body.answers.q1.size).toBe(said('two').length);
  });

  it.each(['stage', 'commit'] as const)('stands back from what comes while it takes a file, at %s', async (step) => {
    await alice.session([], { id: 's1' });
    await put('s1_q1.webm', said('one'));
    after(step, async () => expect((await alice.upload('s1', 'q1', said('newer'))).status).toBe(200));
    expect(await recover(...PATTERN)).toMatchObject({
      uploaded: 0,
      duplicates: 0,
      unmatched: [{ file: 's1_q1.webm', reason: 'the question has another answer' }],
      refused: [],
    });
    const { q1 } = (await alice.get('/api/sessions/s1')).body.answers;
    expect(q1).toMatchObject({ transcription_status: 'queued', size: said('newer').length });
    expect((await service.rows('s1')).map(({ state, error }) => [state, error?.code ?? null]).sort()).toEqual([
      ['committed', null],
      ['failed', 'answer_there'],
    ]);
    expect(await service.files('s1')).toHaveLength(1);
    expect(await service.strays()).toEqual([]);
  });

  it('takes the place of a failed answer, and not when that is tried again by then', async () => {
    await alice.session([], { id: 's1' });
    await put('s1_q1.webm', said('one'));
    await alice.upload('s1', 'q1', said('before'));
    const shows = (status: string) =>
      service.db
        .collection('interview_sessions')
        .updateOne({ session_id: 's1' }, { $set: { 'answers.q1.transcription_status': status } });
    await shows('failed');
    after('commit', () => shows('queued'));
    const unmatched = [{ file: 's1_q1.webm', reason: 'the question has another answer' }];
    expect(await recover(...PATTERN)).toMatchObject({ uploaded: 0, unmatched });
    await shows('failed');
    expect(await recover(...PATTERN)).toMatchObject({ uploaded: 1, unmatched: [] });
    expect((await alice.get('/api/sessions/s1')).body.answers.q1.size).toBe(said('one').length);
  });

  it('leaves alone what may belong to several questions', async () => {
    await alice.session([], { id: 'a' });
    await alice.session([], { id: 'a_b' });
    await put('a_b_q1.webm', said('one'));
    const { uploaded, unmatched } = await recover(...PATTERN);
    expect([uploaded, unmatched]).toEqual([0, [{ file: 'a_b_q1.webm', reason: 'it may belong to several questions' }]]);
  });

  it('with --dry-run says what it would do, and uploads nothing', async () => {
    await alice.session([], { id: 's1' });
    await put('s1_q1.webm', said('one'));
    await put('more/s1_q1.webm', said('other bytes'));
    const dry = await recover(...PATTERN, '--dry-run');
    expect(dry).toMatchObject({
      dry_run: true,
      uploaded: 1,
      unmatched: [{ reason: 'the question has another answer' }],
    });
    expect(await service.rows('s1')).toEqual([]);
    expect({ ...(await recover(...PATTERN)), dry_run: true }).toEqual(dry);
  });

  it('says what is wrong with the command', async () => {
    await expect(command('--map', 'x.csv')).rejects.toThrow('--from');
    await expect(command('--from', folder, '--user', 'alice')).rejects.toThrow('--map or --pattern');
    await expect(command('--from', folder, '--pattern', PATTERN[1]!)).rejects.toThrow('--user');
    await expect(command('--from', folder, '--pattern', 'x', '--user', 'alice')).rejects.toThrow('{session_id}');
    await expect(command('--from', join(folder, 'no'), ...PATTERN)).rejects.toThrow('cannot be read');
    await expect(command('--form', folder)).rejects.toThrow('--form');
  });
});
