import { BOUNDARY, END, filePart, RawUpload } from '../support/raw-upload.js';
import { type Caller, eventually, type Json, speech, startTestService, type TestService } from '../support/service.js';

const MB = 2 ** 20;
const WAV = speech('reading.wav');
const PATH = (session: string) => `/api/upload-answer/${session}/q1`;

let service: TestService;
let alice: Caller;
let session: string;

beforeAll(async () => {
  // The lease of a half-written upload outlasts the tests: what they find put right, the request itself put right.
  service = await startTestService('api', { UPLOAD_IDLE_TIMEOUT_S: '2', UPLOAD_LEASE_S: '600' });
  alice = await service.user('alice');
});
afterAll(() => service.stop());
beforeEach(async () => {
  session = await alice.session(['q1']);
});

/** Waits until nothing is under way or left over, and gives the session's rows: what they say of what happened. */
async function settledRows(count: number): Promise<Json[]> {
  return eventually(async () => {
    expect(await service.strays()).toEqual([]);
    const rows = await service.rows(session);
    expect(rows).toHaveLength(count);
    return rows;
  });
}

async function expectOneFailure(code: string): Promise<void> {
  const [row] = await settledRows(1);
  expect(row).toMatchObject({ state: 'failed', audio_state: 'deleted', error: { code }, stages: {} });
  expect(row.error.message).toMatch(/\w+ \w+ \w+/);
  const shown = await alice.get(`/api/uploads/${row._id}`);
  expect(shown.body).toMatchObject({ status: 'failed', error: { code }, stages: [], audio: 'deleted' });
  expect((await alice.get(`/api/transcription-status/${session}`)).body.summary.total).toBe(0);
}

const arriving = () => eventually(async () => expect((await service.rows(session))[0]?.state).toBe('uploading'));

describe('a client that hangs up', () => {
  it('after the headers leaves nothing', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), 100_000);
    upload.hangUp();
    await settledRows(0);
  });

  it('before the first byte of the file leaves nothing', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), 100_000);
    await upload.write(filePart());
    upload.hangUp();
    await settledRows(0);
  });

  it.each([
    ['the first bytes of the file', WAV.subarray(0, 100)],
    ['the middle of the file', WAV.subarray(0, 300_000)],
    ['several megabytes of the file', Buffer.concat(Array<Buffer>(10).fill(WAV))],
    ['the last byte of the file, before the closing boundary', WAV],
  ])('after %s leaves a failed row that says why, and no bytes', async (_stage, bytes) => {
    const upload = await RawUpload.begin(alice, PATH(session), 20 * MB);
    await upload.write(filePart());
    await upload.write(bytes);
    await arriving();
    upload.hangUp();
    await expectOneFailure('upload_interrupted');
  });

  it('in the middle of a field after the file leaves a failed row, and no bytes', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), 20 * MB);
    await upload.write(filePart());
    await upload.write(WAV);
    await upload.write(`\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="language"\r\n\r\ne`);
    await eventually(async () => expect(await service.files(session)).toHaveLength(1));
    upload.hangUp();
    await expectOneFailure('upload_interrupted');
  });

  it('before it has read the answer loses nothing: the upload counts, and sending it again is no second one', async () => {
    const body = Buffer.concat([Buffer.from(filePart()), WAV, Buffer.from(END)]);
    const upload = await RawUpload.begin(alice, PATH(session), body.length);
    await upload.write(body);
    await eventually(async () => expect((await service.rows(session))[0]?.state).toBe('committed'));
    upload.hangUp();
    const [row] = await settledRows(1);
    expect(row.state).toBe('committed');
    const again = await alice.upload(session, 'q1', WAV);
    expect(again.body).toMatchObject({ duplicate: true, upload_id: String(row._id) });
  });
});

describe('a body that never ends', () => {
  it('in its preamble is ended with a 400, and leaves nothing', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), null);
    await upload.write('this is before any boundary\r\n');
    const { status, body } = await upload.reply();
    expect([status, body]).toEqual([400, { detail: 'The upload took too long' }]);
    await upload.closed();
    await settledRows(0);
  });

  it('in its file is ended with a 400, and leaves a failed row', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), null);
    await upload.write(filePart());
    await upload.write(WAV.subarray(0, 200_000));
    expect((await upload.reply()).status).toBe(400);
    await upload.closed();
    await expectOneFailure('upload_timeout');
  });

  it('after its file is ended with a 400, and leaves a failed row', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), null);
    await upload.write(filePart());
    await upload.write(WAV);
    await upload.write(`\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="language"\r\n\r\n`);
    expect((await upload.reply()).status).toBe(400);
    await upload.closed();
    await expectOneFailure('upload_timeout');
  });

  it('but sends something all the time is ended at the size that is taken', async () => {
    const upload = await RawUpload.begin(alice, PATH(session), null);
    const preamble = Buffer.alloc(256 * 1024, 'x');
    let sent = 0;
    while (!upload.answered && !upload.isClosed && sent < 200 * MB) {
      await upload.write(preamble);
      sent += preamble.length;
    }
    expect((await upload.reply()).status).toBe(413);
    expect(sent).toBeLessThan(80 * MB);
    await settledRows(0);
  });
});

describe('an answer before the end of a body', () => {
  const NOBODY = { Authorization: 'Bearer nobody' };
  const CLOSE = { Connection: 'close' };
  const LENGTH = 60 * MB;
  const megabyte = Buffer.alloc(MB, 'x');

  /** Sends so many megabytes of a body that is refused by its announced length, or for its sender. */
  async function refused(megabytes: number, headers: Record<string, string>): Promise<RawUpload> {
    const upload = await RawUpload.begin(alice, PATH(session), LENGTH, headers);
    for (let sent = 0; sent < megabytes && !upload.isClosed; sent++) await upload.write(megabyte);
    return upload;
  }

  it.each<[number, string, Record<string, string>]>([
    [413, 'kept', {}],
    [413, 'closed', CLOSE],
    [401, 'kept', NOBODY],
    [401, 'closed', { ...NOBODY, ...CLOSE }],
  ])('%i reaches who goes on sending, on a connection to be %s', async (status, _kept, headers) => {
    const upload = await refused(59, headers);
    expect([(await upload.reply()).status, upload.wasReset]).toEqual([status, false]);
    // Who sends nothing more is not waited for.
    await upload.closed();
  });

  it('leaves the connection to the next request once the body has ended', async () => {
    const upload = await refused(60, NOBODY);
    expect((await upload.reply()).status).toBe(401);
    await upload.write('GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n');
    await eventually(() => expect(upload.answers).toBe(2));
  });

  it('ends the connection with the body where that was asked for', async () => {
    const upload = await refused(60, { ...NOBODY, ...CLOSE });
    expect((await upload.reply()).status).toBe(401);
    await upload.closed();
    expect(upload.wasReset).toBe(false);
  });

  it('is the only one, also to who ends the connection instead of the body', async () => {
    const upload = await refused(5, NOBODY);
    expect((await upload.reply()).status).toBe(401);
    upload.halfClose();
    await upload.closed();
    expect(upload.answers).toBe(1);
  });
});

describe('a broken multipart body', () => {
  const whole = Buffer.concat([Buffer.from(filePart()), WAV, Buffer.from(END)]);

  async function sendRaw(body: Buffer | string, boundary = BOUNDARY) {
    const bytes = Buffer.from(body as string);
    const upload = await RawUpload.begin(alice, PATH(session), bytes.length, {
      'Content-Type': `multipart/form-data; boundary=${boundary}`,
    });
    await upload.write(bytes);
    return upload.reply();
  }

  it('without its closing boundary is a 400, and leaves a failed row', async () => {
    const { status, body } = await sendRaw(whole.subarray(0, whole.length - END.length));
    expect([status, body]).toEqual([400, { detail: 'There was an error parsing the body' }]);
    await expectOneFailure('upload_interrupted');
  });

  it('with another boundary than it announced is a 400 or 422, and leaves nothing', async () => {
    expect([400, 422]).toContain((await sendRaw(whole, 'another-boundary')).status);
    await settledRows(0);
  });

  it('whose part has no readable head is a 400 or 422, and leaves nothing', async () => {
    const { status } = await sendRaw(`--${BOUNDARY}\r\n\u0000\u0001 nonsense without a colon${END}`);
    expect([400, 422]).toContain(status);
    await settledRows(0);
  });

  it('with an endless part head is a 400, and leaves nothing', async () => {
    const { status } = await sendRaw(`--${BOUNDARY}\r\nContent-Disposition: ${'x'.repeat(200_000)}${END}`);
    expect([400, 422]).toContain(status);
    await settledRows(0);
  });

  it('with a thousand fields is a 400, and leaves nothing', async () => {
    const field = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n`;
    expect((await sendRaw(field.repeat(1000) + filePart() + 'RIFF' + END)).status).toBe(400);
    await settledRows(0);
  });

  it('with more files of other names than anybody sends is a 400, and leaves nothing', async () => {
    const part = `${filePart('thumbnail')}x\r\n`;
    expect((await sendRaw(part.repeat(9) + filePart() + 'RIFF' + END)).status).toBe(400);
    await settledRows(0);
  });

  it('without a boundary in its type is a 400 or 422, and leaves nothing', async () => {
    expect([400, 422]).toContain((await sendRaw(whole, '')).status);
    await settledRows(0);
  });
});
