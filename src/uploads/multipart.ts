import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Readable } from 'node:stream';
import multer from 'multer';
import { AppError, ValidationError } from '../common/app-error.js';
import { piecesOf } from '../common/pieces-of.js';
import { Config } from '../config/config.js';
import { Intake, tooLarge } from './intake.js';
import type { Incoming, Staged } from './intake.js';
import type { StageError } from './upload.schema.js';
import { UPLOAD_INTERRUPTED } from './ledger-errors.js';

/** Room for boundaries, part headers and small fields around the file. */
const ENVELOPE_BYTES = 64 * 1024;

export interface Received {
  staged: Staged;
  fields: Record<string, unknown>;
}

/** One request under way, as the storage engine finds it again. */
interface Reception {
  readonly upload: Incoming;
  staged: Staged | null;
  /** The file's bytes, to be cut off when the request is refused for another reason. */
  stream: Readable | null;
  /** What storing the bytes failed with: no fault of the form's. */
  fault: unknown;
  /** Why the request was refused, as its row is to say. */
  refusal: StageError | null;
  refuse: (error: unknown) => void;
}

/**
 * Multipart bodies with one audio file: multer parses, its storage engine hands the file's stream to the intake. The answer
 * to a refused body does not wait for the rest of it.
 */
@Injectable()
export class AudioForm {
  private readonly receptions = new WeakMap<Request, Reception>();
  private readonly maxBytes: number;
  private readonly parse: ReturnType<ReturnType<typeof multer>['any']>;

  constructor(
    private readonly intake: Intake,
    private readonly config: Config,
  ) {
    this.maxBytes = config.MAX_UPLOAD_MB * 2 ** 20;
    const storage: multer.StorageEngine = {
      _handleFile: (request, file, done) => void this.handle(request, file, done),
      // Staged bytes are given up by `receive`, which knows why.
      _removeFile: (_request, _file, done) => done(null),
    };
    // Files of other names are read past, as FastAPI does with what a route does not ask for.
    const fileFilter: multer.Options['fileFilter'] = (request, { fieldname }, done) => {
      if (fieldname !== 'audio') return done(null, false);
      if (this.receptions.get(request)?.stream) return done(new multer.MulterError('LIMIT_FILE_COUNT'));
      done(null, true);
    };
    const limits = { files: 8, fields: 16, parts: 20, fieldSize: 4096, fieldNameSize: 100, headerPairs: 50 };
    this.parse = multer({ storage, fileFilter, limits, defParamCharset: 'utf8' }).any();
  }

  /**
   * Reads the body of `request`: form field `audio` and small text fields, in any order.
   *
   * @throws ValidationError when the file is missing or empty; AppError as `Intake.stage`; nothing is left staged then
   */
  async receive(request: Request, response: Response, upload: Incoming): Promise<Received> {
    const announced = Number(request.headers['content-length']);
    if (announced > this.maxBytes + ENVELOPE_BYTES) throw tooLarge(this.maxBytes);
    const timers = this.limitTime(request);
    const reception: Reception = {
      upload,
      staged: null,
      stream: null,
      fault: null,
      refusal: null,
      refuse: () => undefined,
    };
    this.receptions.set(request, reception);
    try {
      await new Promise<void>((resolve, reject) => {
        reception.refuse = reject;
        timers.onTimeout(reject);
        this.parse(request, response, (error: unknown) => {
          if (error) reject(error instanceof Error ? error : new Error('The form could not be read'));
          else resolve();
        });
        this.limitSize(request, reject);
      });
    } catch (error) {
      const refusal = error === reception.fault ? error : asRefusal(error);
      reception.refusal = rowError(error, refusal);
      reception.stream?.destroy(error instanceof Error ? error : undefined);
      // Nothing reads it any more, and what is left to do here takes time.
      request.unpipe();
      request.resume();
      if (reception.staged) await this.intake.discard(reception.staged, reception.refusal);
      throw refusal;
    } finally {
      timers.clear();
    }
    // What came as JSON is no form.
    const form = request.is('multipart/form-data') ? (request.body as Record<string, unknown> | undefined) : undefined;
    const fields = form ?? {};
    if (!reception.staged) throw noFile(fields['audio']);
    return { staged: reception.staged, fields };
  }

  private async handle(
    request: Request,
    file: Express.Multer.File,
    done: (error?: unknown, info?: Partial<Express.Multer.File>) => void,
  ): Promise<void> {
    const reception = this.receptions.get(request);
    if (!reception) return done(new Error('No reception for this request'));
    reception.stream = file.stream;
    const upload = { ...reception.upload, file_name: safeName(file.originalname) };
    // Were the stream destroyed at once when the intake refuses it, the parser's complaint would hide the reason.
    const bytes = piecesOf(file.stream);
    try {
      const staged = await this.intake.stage(bytes, upload, this.maxBytes);
      // The form may have been refused while the last bytes were written.
      if (reception.refusal) await this.intake.discard(staged, reception.refusal);
      else reception.staged = staged;
      done(null, { size: staged.size });
    } catch (error) {
      if (error !== file.stream.errored) reception.fault = error;
      reception.refuse(error);
      done(error);
    }
  }

  /** What stands around the file may not go on for ever either. An announced length was looked at before. */
  private limitSize(request: Request, reject: (error: unknown) => void): void {
    if (request.headers['content-length'] !== undefined) return;
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > this.maxBytes + ENVELOPE_BYTES) reject(tooLarge(this.maxBytes));
    });
  }

  /** A body that trickles, or never ends, costs its sender the connection. */
  private limitTime(request: Request) {
    let fail: (error: unknown) => void = () => undefined;
    const end = () => fail(new AppError('bad_request', 'upload_timeout', 'The upload took too long'));
    let idle = setTimeout(end, this.config.UPLOAD_IDLE_TIMEOUT_S * 1000);
    const whole = setTimeout(end, this.config.UPLOAD_TIMEOUT_S * 1000);
    const socket = request.socket;
    let seen = socket.bytesRead;
    const check = setInterval(() => {
      if (socket.bytesRead === seen) return;
      seen = socket.bytesRead;
      clearTimeout(idle);
      idle = setTimeout(end, this.config.UPLOAD_IDLE_TIMEOUT_S * 1000);
    }, 1000);
    return {
      onTimeout: (reject: (error: unknown) => void) => (fail = reject),
      clear: () => {
        clearTimeout(idle);
        clearTimeout(whole);
        clearInterval(check);
      },
    };
  }
}

/** Multer's and busboy's errors in our words; ours pass. */
function asRefusal(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (error instanceof multer.MulterError) {
    // A file without a name is a text field, to which the limit of text fields applies.
    if (error.code === 'LIMIT_FIELD_VALUE' && error.field === 'audio') return noFile('');
    return new AppError('bad_request', 'bad_form', `The form could not be read: ${error.message}`, { cause: error });
  }
  return new AppError('bad_request', 'bad_form', 'There was an error parsing the body', { cause: error });
}

/** In FastAPI's words. */
function noFile(text: unknown): ValidationError {
  const loc = ['body', 'audio'];
  if (text === undefined) return ValidationError.at(loc, 'missing', 'Field required');
  const msg = "Value error, Expected UploadFile, received: <class 'str'>";
  return new ValidationError([{ type: 'value_error', loc, msg, input: text, ctx: { error: {} } }]);
}

/** What the row of a refused upload says: the reason that we or the form's limits had, else that the sender broke off. */
function rowError(error: unknown, refusal: unknown): StageError {
  const ours = error instanceof AppError || error instanceof multer.MulterError;
  return ours && refusal instanceof AppError ? { code: refusal.code, message: refusal.message } : UPLOAD_INTERRUPTED;
}

/** A name for people to recognise their file by: no path, no control characters, bounded. */
function safeName(name: string): string {
  const base = name.split(/[\\/]/).at(-1) ?? '';
  // eslint-disable-next-line no-control-regex
  return base.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ').slice(0, 255);
}
