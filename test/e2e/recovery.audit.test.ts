import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { adoptCommand, recoverCommand } from '../../src/recovery/recovery.commands.js';
import type { WithServices } from '../../src/recovery/recovery.commands.js';
import { type Caller, type Json, type TestService, fresh, startTestService } from '../support/service.js';
import { plantFile } from './recovery.bytes.js';

let service: TestService;
let admin: Caller;
let services: WithServices;

beforeAll(async () => {
  service = await startTestService('api', { DISPATCH_GRACE_S: '0.2' });
  admin = await service.user('root', 'admin');
  services = (use) => use(service.service.app);
});
afterAll(() => service.stop());

const entries = async (action: string): Promise<Json[]> =>
  (await admin.get(`/api/admin/audit?action=${action}`)).body.items;
const byHand = { user_id: `cli:${userInfo().username}`, ip: null, outcome: 'done', code: null };

describe('what is done at a terminal is in the audit, with what came of it, and a dry run is not', () => {
  it('recover', async () => {
    await plantFile(service.db, { upload_id: new mongo.ObjectId().toHexString() });
    const failed = { kind: 'answer', state: 'failed', audio_state: 'deleted', user_id: 'bob', updated_at: new Date(0) };
    await service.db.collection('uploads').insertOne(failed);
    await recoverCommand(['--dry-run'], services);
    expect(await entries('recover')).toEqual([]);
    await recoverCommand([], services);
    const details = {
      dry_run: false,
      swept: { old_failed_rows: 1 },
      more: false,
      quarantined: 1,
      released: 0,
      deleted: 0,
      audio_lost: 0,
    };
    expect(await entries('recover')).toEqual([expect.objectContaining({ ...byHand, target: 'ledger', details })]);
  });

  it('recover --from', async () => {
    const alice = await service.user('alice');
    await alice.session(['q1'], { id: 's1' });
    const folder = await mkdtemp(join(tmpdir(), 'vivavoce-stray-'));
    await writeFile(join(folder, 's1_q1.webm'), fresh('reading.webm'));
    await writeFile(join(folder, 'readme.txt'), 'not one of them');
    const args = ['--from', folder, '--pattern', '{session_id}_{question_id}.{ext}', '--user', 'alice'];
    await recoverCommand([...args, '--dry-run'], services);
    expect(await entries('recover.files')).toEqual([]);
    await recoverCommand(args, services);
    await rm(folder, { recursive: true });
    const details = { dry_run: false, files: 2, uploaded: 1, duplicates: 0, unmatched: 1, refused: 0, missing: 0 };
    expect(await entries('recover.files')).toEqual([expect.objectContaining({ ...byHand, target: folder, details })]);
  });

  it('adopt', async () => {
    const answer = { id: 'a', question_id: 'q1', gridfs_file_id: null, transcription_status: 'completed' };
    const old = { session_id: 'old', user_id: 'alice', created_at: new Date(), updated_at: new Date() };
    const answers = { q1: { ...answer, transcript: 'I found the lock.', created_at: new Date() } };
    await service.db.collection('interview_sessions').insertOne({ ...old, answers });
    await adoptCommand(['--dry-run'], services);
    expect(await entries('adopt')).toEqual([]);
    await adoptCommand([], services);
    const details = {
      dry_run: false,
      sessions: 1,
      answers: { queued: 0, completed: 1, to_score: 1, failed: 0 },
      left_count: 0,
    };
    expect(await entries('adopt')).toEqual([
      expect.objectContaining({ ...byHand, target: 'interview_sessions', details }),
    ]);
  });
});
