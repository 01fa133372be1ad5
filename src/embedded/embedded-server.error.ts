import { AppError } from '../common/app-error.js';

/** An embedded server that cannot be started or kept running; the message says what to do about it. */
export class EmbeddedServerError extends AppError {
  constructor(code: string, message: string, cause?: unknown) {
    super('unavailable', code, message, { cause });
  }
}
