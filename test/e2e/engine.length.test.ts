import { execFileSync } from 'node:child_process';
import { type TestService, startTestService } from '../support/service.js';

describe('audio that is longer than it may be', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService('all', { MAX_AUDIO_MINUTES: '1' });
  });
  afterAll(() => service.stop());

  it('fails at once with a sentence that says so, however small its file is', async () => {
    const hour = execFileSync(
      'ffmpeg',
      ['-v', 'error', '-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '3600', '-c:a', 'flac', '-f', 'flac', '-'],
      { maxBuffer: 2 ** 26 },
    );
    expect(hour.length).toBeLessThan(2 ** 21);
    const alice = await service.user('alice');
    const session = await alice.session();
    await alice.upload(session, 'q1', hour, { fileName: 'hour.flac', type: 'audio/flac' });
    const answer = await alice.answer(session, 'q1');
    expect(answer).toMatchObject({
      transcription_status: 'failed',
      transcription_error: 'The audio is longer than the 1 minutes that are transcribed',
    });
    const [row] = await service.rows(session);
    expect(row.stages.transcription).toMatchObject({ attempts: 1, error: { code: 'audio_too_long' } });
  });
});
