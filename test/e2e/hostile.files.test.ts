import { createHash } from 'node:crypto';
import { wavHeader } from '../support/audio-source.js';
import { END, filePart, RawUpload } from '../support/raw-upload.js';
import {
  type Caller,
  eventually,
  type Json,
  type Reply,
  speech,
  startTestService,
  type TestService,
} from '../support/service.js';

const WEBM = speech('reading.webm');
/** The start of a real PNG: signature and IHDR of a picture of one pixel, then noise. */
const PNG = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex'),
  Buffer.alloc(8000, 7),
]);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest();

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

/** Nothing is stored, and there are so many rows, all failed. */
async function expectNothingKept(rows: number): Promise<Json[]> {
  return eventually(async () => {
    expect(await service.strays()).toEqual([]);
    expect(await service.files(session)).toEqual([]);
    const found = await service.rows(session);
    expect(found.map((row) => row.state)).toEqual(Array(rows).fill('failed'));
    expect((await alice.get(`/api/transcription-status/${session}`)).body.questions).toEqual({});
    return found;
  });
}

function sendForm(form: FormData): Promise<Reply> {
  return alice.send('POST', `/api/upload-answer/${session}/q1`, { body: form });
}

const missing = {
  detail: [{ type: 'missing', loc: ['body', 'audio'], msg: 'Field required', input: null }],
};

describe('what a file is', () => {
  it.each([
    ['a picture that is named and declared as webm', PNG],
    ['text that is named and declared as webm', Buffer.from('I am no audio at all. '.repeat(300))],
    ['a single byte', Buffer.from('x')],
    ['zeros', Buffer.alloc(100_000)],
  ])('%s is refused with 415, and leaves a failed row that says why', async (_what, bytes) => {
    const { status, body } = await alice.upload(session, 'q1', bytes);
    expect(status).toBe(415);
    expect(body).toEqual({ detail: 'The file is not audio in a known format: webm, ogg, wav, mp3, m4a or flac' });
    const [row] = await expectNothingKept(1);
    expect(row.error).toEqual({ code: 'not_audio', message: body.detail });
  });

  it('is told by its content: webm that is named and declared as a picture is taken as webm', async () => {
    const { status, body } = await alice.upload(session, 'q1', WEBM, { fileName: 'me.png', type: 'image/png' });
    expect(status).toBe(200);
    const upload = (await alice.get(`/api/uploads/${body.upload_id}`)).body;
    expect(upload).toMatchObject({ file_name: 'me.png', content_type: 'audio/webm', status: 'uploaded' });
  });

  it('is in its GridFS metadata, with who sent it for what and when', async () => {
    const { body } = await alice.upload(session, 'q1', WEBM);
    const [file] = await service.files(session);
    expect(String(file._id)).toBe(body.file_id);
    expect(file).toMatchObject({
      length: WEBM.length,
      metadata: {
        session_id: session,
        question_id: 'q1',
        user_id: 'alice',
        status: 'queued',
        sha256: sha256(WEBM).toString('hex'),
        upload_date: expect.any(Date),
        content_type: 'audio/webm',
      },
    });
  });
});

describe('a form', () => {
  it('with an empty file is refused with 422, and leaves no row', async () => {
    const { status, body } = await alice.upload(session, 'q1', Buffer.alloc(0));
    expect(status).toBe(422);
    expect(body.detail).toEqual([
      {
        type: 'value_error',
        loc: ['body', 'audio'],
        msg: 'Value error, the file is empty',
        input: null,
        ctx: { error: {} },
      },
    ]);
    await expectNothingKept(0);
  });

  it('without the field is refused as FastAPI does', async () => {
    const form = new FormData();
    form.append('language', 'en');
    const { status, body } = await sendForm(form);
    expect([status, body]).toEqual([422, missing]);
    await expectNothingKept(0);
  });

  it('with the file under another name is refused as FastAPI does', async () => {
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array(WEBM)]), 'answer.webm');
    const { status, body } = await sendForm(form);
    expect([status, body]).toEqual([422, missing]);
    await expectNothingKept(0);
  });

  it('with long text in place of the file, such as a file that has no name, is refused as text is', async () => {
    const form = new FormData();
    form.append('audio', 'la '.repeat(3000));
    const { status, body } = await sendForm(form);
    expect(status).toBe(422);
    expect(body.detail).toMatchObject([{ type: 'value_error', loc: ['body', 'audio'] }]);
    await expectNothingKept(0);
  });

  it('with text in place of the file is refused as FastAPI does', async () => {
    const form = new FormData();
    form.append('audio', 'la la la');
    const { status, body } = await sendForm(form);
    expect(status).toBe(422);
    expect(body.detail).toEqual([
      {
        type: 'value_error',
        loc: ['body', 'audio'],
        msg: "Value error, Expected UploadFile, received: <class 'str'>",
        input: 'la la la',
        ctx: { error: {} },
      },
    ]);
    await expectNothingKept(0);
  });

  it('whose file was not chosen, as browsers send it, is refused with 422', async () => {
    const body = filePart('audio', '', 'application/octet-stream') + END;
    const upload = await RawUpload.begin(alice, `/api/upload-answer/${session}/q1`, body.length);
    await upload.write(body);
    expect(await upload.reply()).toMatchObject({ status: 422, body: missing });
    await expectNothingKept(0);
  });

  it('that is no form is refused with 422', async () => {
    const json = await alice.post(`/api/upload-answer/${session}/q1`, { audio: 'x' });
    expect([json.status, json.body]).toEqual([422, missing]);
    const empty = await alice.post(`/api/upload-answer/${session}/q1`);
    expect([empty.status, empty.body]).toEqual([422, missing]);
    await expectNothingKept(0);
  });

  it('with the file twice is refused, and neither is kept', async () => {
    const form = new FormData();
    form.append('audio', new Blob([new Uint8Array(WEBM)]), 'one.webm');
    form.append('audio', new Blob([new Uint8Array(speech('reading.ogg'))]), 'two.ogg');
    const { status, body } = await sendForm(form);
    expect([400, 422]).toContain(status);
    expect(body.detail).toBeTruthy();
    await expectNothingKept(1);
  });

  it.each(['before', 'behind'])('with a file of another name %s the audio is taken without it', async (place) => {
    const form = new FormData();
    const files = ['thumbnail', 'audio'].map((name) => [name, name === 'audio' ? WEBM : PNG] as const);
    for (const [name, bytes] of place === 'before' ? files : files.reverse())
      form.append(name, new Blob([new Uint8Array(bytes)]), `${name}.bin`);
    expect((await sendForm(form)).status).toBe(200);
    expect(await service.rows(session)).toMatchObject([
      { state: 'committed', file_name: 'audio.bin', size: WEBM.length },
    ]);
  });

  it('with a file of another name alone lacks its audio', async () => {
    const form = new FormData();
    form.append('thumbnail', new Blob([new Uint8Array(WEBM)]), 'thumbnail.webm');
    expect(await sendForm(form)).toMatchObject({ status: 422, body: missing });
    await expectNothingKept(0);
  });

  it('may have its fields before the file', async () => {
    const form = new FormData();
    form.append('language', 'de');
    form.append('sha256', sha256(WEBM).toString('hex').toUpperCase());
    form.append('audio', new Blob([new Uint8Array(WEBM)]), 'answer.webm');
    expect((await sendForm(form)).status).toBe(200);
    expect((await service.rows(session))[0].language).toBe('de');
  });

  it.each([
    ['line breaks', 'a%0D%0AX-Evil: 1%0D%0A.webm', 'a  X-Evil: 1  .webm'],
    ['a path', '../../etc/pass wd', 'pass wd'],
    ['a path of Windows', 'C:\\fakepath\\me.webm', 'me.webm'],
    ['other scripts', 'ответ 回答 é.webm', 'ответ 回答 é.webm'],
    ['operators', '$where.{}.webm', '$where.{}.webm'],
  ])('may name its file with %s: only a harmless name is kept', async (_what, sent, kept) => {
    const body = Buffer.concat([Buffer.from(filePart('audio', sent)), WEBM, Buffer.from(END)]);
    const upload = await RawUpload.begin(alice, `/api/upload-answer/${session}/q1`, body.length);
    await upload.write(body);
    const reply = await upload.reply();
    expect(reply.status).toBe(200);
    expect((await alice.get(`/api/uploads/${reply.body.upload_id}`)).body.file_name).toBe(kept);
  });
});

describe('a digest', () => {
  const hex = sha256(WEBM).toString('hex');
  const repr = (bytes: Buffer) => `sha-256=:${sha256(bytes).toString('base64')}:`;

  it.each([
    ['field sha256', { fields: { sha256: hex } }],
    ['header Repr-Digest', { headers: { 'repr-digest': repr(WEBM) } }],
    ['header Repr-Digest among others', { headers: { 'repr-digest': `sha-512=:AAAA:, ${repr(WEBM)}` } }],
    ['header Repr-Digest in capitals', { headers: { 'repr-digest': repr(WEBM).replace('sha', 'SHA') } }],
    [
      'header Repr-Digest twice, the last of which counts',
      { headers: { 'repr-digest': `${repr(PNG)}, ${repr(WEBM)}` } },
    ],
    ['header Repr-Digest of an unknown kind', { headers: { 'repr-digest': 'id-crc=:AAAA:' } }],
  ])('that is right is taken: %s', async (_how, options) => {
    expect((await alice.upload(session, 'q1', WEBM, options)).status).toBe(200);
  });

  it.each([
    ['wrong field', ['body', 'sha256'], { fields: { sha256: '0'.repeat(64) } }],
    ['wrong header', ['header', 'repr-digest'], { headers: { 'repr-digest': repr(PNG) } }],
    [
      'wrong header in capitals',
      ['header', 'repr-digest'],
      { headers: { 'repr-digest': repr(PNG).replace('sha', 'SHA') } },
    ],
    ['header that is no list', ['header', 'repr-digest'], { headers: { 'repr-digest': 'garbage' } }],
    ['header that is no digest', ['header', 'repr-digest'], { headers: { 'repr-digest': 'sha-256=abc' } }],
    [
      'right field beside a wrong header',
      ['header', 'repr-digest'],
      {
        fields: { sha256: hex },
        headers: { 'repr-digest': repr(PNG) },
      },
    ],
  ])('that is a %s is refused with 422, and nothing is kept', async (_how, loc, options) => {
    const { status, body } = await alice.upload(session, 'q1', WEBM, options);
    expect(status).toBe(422);
    expect(body.detail).toEqual([
      {
        type: 'value_error',
        loc,
        msg: expect.stringMatching(/^Value error, /),
        input: expect.any(String),
        ctx: { error: {} },
      },
    ]);
    const [row] = await expectNothingKept(1);
    expect(row.error.message).toMatch(/^(?!Value error)\w/);
  });

  it('that is none is refused with 422, and nothing is kept', async () => {
    const { status, body } = await alice.upload(session, 'q1', WEBM, { fields: { sha256: 'abc' } });
    expect(status).toBe(422);
    expect(body.detail).toMatchObject([{ type: 'string_pattern_mismatch', loc: ['body', 'sha256'], input: 'abc' }]);
    await expectNothingKept(1);
  });
});

describe('a language', () => {
  it.each(['english', 'EN', 'e', '$gt', '../x'])('%s is refused with 422, and nothing is kept', async (language) => {
    const { status, body } = await alice.upload(session, 'q1', WEBM, { fields: { language } });
    expect(status).toBe(422);
    expect(body.detail).toEqual([
      {
        type: 'string_pattern_mismatch',
        loc: ['body', 'language'],
        msg: "String should match pattern '^[a-z]{2}$'",
        input: language,
        ctx: { pattern: '^[a-z]{2}$' },
      },
    ]);
    await expectNothingKept(1);
  });

  it('of the upload goes before that of the session', async () => {
    const german = await alice.session(['q1', 'q2'], { language: 'de' });
    await alice.upload(german, 'q1', WEBM);
    await alice.upload(german, 'q2', WEBM, { fields: { language: 'fr' } });
    expect((await service.rows(german)).map((row) => row.language)).toEqual(['de', 'fr']);
  });
});

it('the header of a WAV file without sound is a file like any other', async () => {
  expect((await alice.upload(session, 'q1', wavHeader(0))).status).toBe(200);
});
