import { readFileSync } from 'node:fs';
import { mongo } from 'mongoose';
import { ARCHIVE_FOLDERS, archiveKey } from './archive-key.js';

describe('the key of archived audio', () => {
  const row = {
    _id: new mongo.ObjectId('65abc123def4567890abcdef'),
    kind: 'answer' as const,
    user_id: 'alice',
    session_id: 'interview-42',
    question_id: 'q1',
    content_type: 'audio/webm',
  };

  it('is sorted by kind, user, session and question', () => {
    expect(archiveKey(row)).toBe('answer/alice/interview-42/q1/65abc123def4567890abcdef.webm');
    expect(archiveKey({ ...row, content_type: undefined })).toMatch(/\.bin$/);
  });

  it.each([
    ['..', '%2E.'],
    ['../x', '%2E.%2Fx'],
    ['a/b', 'a%2Fb'],
    ['Zoë', 'Zo%C3%AB'],
    ['x'.repeat(5000), 'x'.repeat(200)],
  ])('never leaves its folder: user %.20s', (user_id, part) => {
    expect(archiveKey({ ...row, user_id })).toBe(`answer/${part}/interview-42/q1/65abc123def4567890abcdef.webm`);
  });

  it('starts as one of the folders that are looked through for uploads that were cut short', () => {
    expect(ARCHIVE_FOLDERS.filter((folder) => archiveKey(row).startsWith(folder))).toHaveLength(1);
  });

  it('starts as the rules of deploy/s3/lifecycle.json say, which touch nothing else in the bucket', () => {
    const file = new URL('../../deploy/s3/lifecycle.json', import.meta.url);
    const { Rules } = JSON.parse(readFileSync(file, 'utf8')) as { Rules: Record<string, unknown>[] };
    const [expiration, unfinished] = Rules;
    expect(Rules).toHaveLength(2);
    expect(expiration).toMatchObject({ Status: 'Enabled', Expiration: { Days: 90 } });
    expect(unfinished).toMatchObject({ Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } });
    for (const { Filter } of Rules) {
      const { Prefix } = Filter as { Prefix: string };
      expect(Prefix).not.toBe('');
      expect(archiveKey(row).startsWith(Prefix)).toBe(true);
    }
  });
});
