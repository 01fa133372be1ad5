import { BOUNDARY, END, filePart, RawUpload } from '../support/raw-upload.js';
import { wavHeader } from '../support/audio-source.js';
import { type Caller, eventually, type Json, startTestService, type TestService } from '../support/service.js';

const MB = 2 ** 20;
const TOO_LARGE = { detail: 'The file is larger than the 50 MB that are taken' };
const PATH = (session: string) => `/api/upload-answer/${session}/q1`;

/** A WAV file of silence of exactly so many bytes. */
function wav(bytes: number): Buffer {
  const file = Buffer.alloc(bytes);
  wavHeader((bytes - 44) / 2).copy(file);
  return file;
}

let service: TestService;
let alice: Caller;
let session: string;

beforeAll(async () => {
  service = await startTestService('api', { UPLOAD_LEASE_S: '600' });
  alice = await service.user('alice');
});
afterAll(() => service.stop());
beforeEach(async () => {
  session = await alice.session(['q1']);
});

async function settledRow(): Promise<Json> {
  return eventually(async () => {
    expect(await service.strays()).toEqual([]);
    const rows = await service.rows(session);
    expect(rows).toHaveLength(1);
    return rows[0];
  });
}

describe('size', () => {
  it('of 51 MB that is announced is refused before a byte of the body is sent, and leaves no row', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), 51 * MB);
    const { status, body } = await upload.reply();
    expect([status, body]).toEqual([413, TOO_LARGE]);
    expect(await service.rows(session)).toEqual([]);
    // Who sends nothing more is not waited for.
    await upload.closed();
  });

  it('of 51 MB that is not announced is refused while the body is unfinished, and leaves a failed row', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), null);
    await upload.write(filePart());
    const megabyte = wav(MB);
    for (let sent = 0; sent < 51; sent++) await upload.write(megabyte);
    const { status, body } = await upload.reply();
    expect([status, body]).toEqual([413, TOO_LARGE]);
    const row = await settledRow();
    expect(row).toMatchObject({ state: 'failed', error: { code: 'too_large' }, audio_state: 'deleted' });
    expect(await service.db.collection('fs.chunks').countDocuments({ files_id: row.file_id })).toBe(0);
    const { body: metrics } = await alice.get('/metrics');
    expect(metrics).toMatch(/^vivavoce_failures_total\{stage="upload",code="too_large"\} 1$/m);
  });

  it('is told to a sender who goes on sending: the answer reaches them before the connection ends', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), 200 * MB);
    await upload.write(filePart());
    const megabyte = wav(MB);
    for (let sent = 0; sent < 200 && !upload.isClosed; sent++) await upload.write(megabyte);
    expect((await upload.reply()).status).toBe(413);
  });

  it('of exactly the limit is taken, and one byte more is not', async () => {
    const file = wav(50 * MB);
    const taken = await alice.upload(session, 'q1', file);
    expect([taken.status, taken.body.size]).toEqual([200, 50 * MB]);
    const row = await settledRow();
    expect(row).toMatchObject({ state: 'committed', size: 50 * MB, content_type: 'audio/wav' });

    const refused = await alice.upload(session, 'q1', Buffer.concat([file, Buffer.alloc(1)]));
    expect([refused.status, refused.body]).toEqual([413, TOO_LARGE]);
    await eventually(async () => expect(await service.strays()).toEqual([]));
    expect((await service.rows(session)).map((each) => each.state)).toEqual(['committed', 'failed']);
  });

  it('counts the file, not the form around it', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), null);
    await upload.write(filePart());
    await upload.write(wav(50 * MB));
    await upload.write(`\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="language"\r\n\r\nen${END}`);
    upload.finish();
    expect(await upload.reply()).toMatchObject({ status: 200, body: { size: 50 * MB } });
  });

  it('of a text field is bounded too', async () => {
    const { status } = await alice.upload(session, 'q1', wav(MB), { fields: { language: 'x'.repeat(10_000) } });
    expect(status).toBe(400);
    expect(await settledRow()).toMatchObject({ state: 'failed', error: { code: 'bad_form' } });
  });
});
