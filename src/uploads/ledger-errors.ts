import type { StageError } from './upload.schema.js';

/* What the ledger says of rows and stages that nobody is left to speak for. */

export const UPLOAD_INTERRUPTED: StageError = {
  code: 'upload_interrupted',
  message: 'The upload ended before it was complete',
};

export const SESSION_GONE: StageError = { code: 'session_gone', message: 'The session was erased meanwhile' };

export const ANSWER_THERE: StageError = {
  code: 'answer_there',
  message: 'The question got another answer meanwhile',
};

export const SESSION_FULL: StageError = {
  code: 'session_full',
  message: 'The session is full: all that is in its answers is as much as one session can hold',
};

export const WORKER_LOST: StageError = {
  code: 'worker_lost',
  message: 'The worker stopped answering while it worked on this',
};
