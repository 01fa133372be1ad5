import { AppError } from './app-error.js';

/** Driver and mongoose errors that mean: no usable MongoDB at the moment. By name, so that the driver stays at its edge. */
const AWAY_NAMES = new Set([
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoServerSelectionError',
  'MongooseServerSelectionError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'PoolClearedOnNetworkError',
  'MongoWaitQueueTimeoutError',
  'WaitQueueTimeoutError',
  'MongoNotConnectedError',
  'MongoTopologyClosedError',
  'MongoClientClosedError',
  'MongoOperationTimeoutError',
  'MongooseBufferingTimeoutError',
]);

/**
 * Server codes that a retry on another or recovered node may cure: not primary, stepping down, shutting down, exceeded
 * time limits, write concern not reached in time.
 * https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
 */
const AWAY_CODES = new Set([6, 7, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);

const BROKEN_SOCKET = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

const DEEPEST_CAUSE = 5;

/** Whether an error, or what caused it, says that MongoDB cannot be reached or cannot take writes just now. */
export function isMongoAway(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && current instanceof Error; depth++) {
    // It says itself what it is about: that the archive or an engine cannot be reached is caused by a broken socket too.
    if (current instanceof AppError) return false;
    if (AWAY_NAMES.has(current.name) || isBrokenSocket(current)) return true;
    if (current.name.startsWith('Mongo')) {
      const code = (current as { code?: unknown }).code;
      if (typeof code === 'number' && AWAY_CODES.has(code)) return true;
      if (current.name === 'MongooseError' && current.message.includes('buffering timed out')) return true;
      // Its storage engine has stopped, as on a full disk: it is to be started again.
      if (current.message.includes('WT_PANIC')) return true;
      // A session or cursor cut off by a lost connection.
      if (current.name === 'MongoExpiredSessionError') return true;
    }
    // A write of many documents wraps what went wrong on the way in an error of the server's kind.
    const { errorResponse } = current as { errorResponse?: unknown };
    current = errorResponse instanceof Error ? errorResponse : current.cause;
  }
  return false;
}

/**
 * The driver passes on as it is what its socket fails with while it waits for room to write. Errors of a request's own socket
 * name no system call, and it is only read from: a broken pipe is the driver's ("This socket has been ended by the other party").
 */
function isBrokenSocket(error: Error): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || (syscall !== undefined && BROKEN_SOCKET.has(code ?? ''));
}

/** Over quota (Atlas), out of disk space. https://www.mongodb.com/docs/manual/reference/error-codes/ */
const FULL_CODES = new Set([8000, 14031]);

/** What the system says of a full disk. WiredTiger passes it on as it is, and the server under a code that means anything. */
const DISK_FULL = 'No space left on device';

/** Whether MongoDB refuses writes because there is no room left for them. */
export function isMongoFull(error: unknown): boolean {
  for (let current = error, depth = 0; depth < DEEPEST_CAUSE && current instanceof Error; depth++) {
    const { code } = current as { code?: unknown };
    const isFull = FULL_CODES.has(code as number) || current.message.includes(DISK_FULL);
    if (current.name.startsWith('Mongo') && isFull) return true;
    current = current.cause;
  }
  return false;
}

/** BSONObjectTooLarge, and what mongod says of a document that an update would make too large. */
const TOO_LARGE_CODES = new Set([10334, 17419, 17420]);

/** Whether a write was refused because its document would grow beyond MongoDB's 16 MB. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof Error && TOO_LARGE_CODES.has((error as { code?: unknown }).code as number);
}

const DUPLICATE_KEY = 11000;

/** Whether an insert or update lost against a unique index. */
export function isDuplicateKey(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === DUPLICATE_KEY;
}

export interface WriteFault {
  /** Of the write, among those of its command. */
  index: number;
  code?: number;
  errmsg?: string;
}

/** What went wrong with single writes of an unordered command of many; null when something went wrong with all of them. */
export function writeFaultsOf(error: unknown): readonly WriteFault[] | null {
  const { name, writeErrors, result } = error as {
    name?: string;
    writeErrors?: unknown;
    result?: { getWriteConcernError?: () => unknown };
  };
  if (name !== 'MongoBulkWriteError' || !Array.isArray(writeErrors) || writeErrors.length === 0) return null;
  // Not durable, for none of them.
  return result?.getWriteConcernError?.() ? null : (writeErrors as WriteFault[]);
}

/**
 * Whether all that was wrong with an unordered insert of many is that some are there already. Its `code` is that of the first
 * that failed: another may not have been written at all.
 */
export function areDuplicateKeys(error: unknown): boolean {
  return writeFaultsOf(error)?.every(({ code }) => code === DUPLICATE_KEY) ?? false;
}
