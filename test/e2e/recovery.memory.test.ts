import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { jest } from '@jest/globals';
import { Verifier } from '../../src/recovery/verifier.js';
import { type TestService, startTestService } from '../support/service.js';
import { longAgo } from './recovery.bytes.js';

jest.setTimeout(60_000);

const MIB = 2 ** 20;
const ROWS = 240;
const TRANSCRIPT = 'w'.repeat(MIB / 8);

let service: TestService;

beforeAll(async () => {
  service = await startTestService('api', { DISPATCH_GRACE_S: '1' });
});
afterAll(() => service.stop());

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the heap that something still holds. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

describe('verify', () => {
  it('holds no transcript of the rows that it looks at again', async () => {
    const at = longAgo();
    const row = (index: number) => ({
      kind: 'answer',
      state: 'committed',
      source: 'text',
      user_id: 'alice',
      session_id: 's',
      question_id: `q${index}`,
      file_id: null,
      audio_state: 'none',
      stages: { analysis: { state: 'due', due_at: at } },
      transcript: { text: TRANSCRIPT + String(index) },
      created_at: at,
      committed_at: at,
      updated_at: at,
    });
    const rows = service.db.collection('uploads');
    for (let index = 0; index < ROWS; index += 20)
      await rows.insertMany(Array.from({ length: 20 }, (_, offset) => row(index + offset)));
    const verifier = service.service.app.get(Verifier, { strict: false });

    const before = heldBytes();
    let most = 0;
    let found = 0;
    for await (const { category } of verifier.findings({ deep: false }, { files: 0, records: 0, hashed_bytes: 0 })) {
      expect(category).toBe('stuck');
      // When the first is looked at again, all the others wait for it.
      if (found++ % 60 === 0) most = Math.max(most, heldBytes() - before);
    }
    // Each of them waits for its stage, and its session does not know it.
    expect(found).toBe(2 * ROWS);
    expect(most).toBeLessThan((ROWS * TRANSCRIPT.length) / 6);
  });
});
