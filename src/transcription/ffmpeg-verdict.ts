import { AppError, PermanentError, TransientError } from '../common/app-error.js';

export interface FfmpegEnd {
  code: number | null;
  killedBy: NodeJS.Signals | null;
  /** ffmpeg's own words, log level info. */
  stderr: string;
}

/**
 * What ffmpeg's end means: null when all is well, `missing` when `prlimit` found no ffmpeg to run, else the error for
 * the job. ffmpeg has no exit codes by cause, so its words decide (fftools and libavformat, versions 5 to 7).
 */
export function verdict({ code, killedBy, stderr }: FfmpegEnd): AppError | 'missing' | null {
  const said = (pattern: RegExp) => pattern.test(stderr);
  const cause = new Error(lastWords(stderr));
  if (code === 0) {
    if (!said(/^(?:\[[^\]]*\] )?Output file is empty, nothing was encoded/m)) return null;
    return said(/Error while decoding|Error submitting packet|Invalid data found/) ? undecodable(cause) : empty(cause);
  }
  if (said(/^prlimit: failed to execute /m)) return 'missing';
  if (said(/Cannot allocate memory|Out of memory|failed to map segment|bad_alloc/i))
    return new PermanentError('decoder_memory', 'The audio needs more memory to decode than is allowed.', cause);
  // It catches what asks it to end, and then ends as if by itself.
  if (killedBy === 'SIGKILL' || killedBy === 'SIGTERM' || said(/^Exiting normally, received signal \d+/m))
    return new TransientError('decoder_killed', 'Decoding the audio was ended from outside.', { cause });
  if (said(/moov atom not found/))
    return new PermanentError(
      'audio_truncated',
      'The audio is cut off: the end of the file, with its index, is missing.',
      cause,
    );
  if (said(/matches no streams|does not contain any stream/))
    return new PermanentError('audio_undecodable', 'The file has no audio track.', cause);
  return undecodable(cause);
}

/** The audio is well formed but has no length. */
export function empty(cause?: unknown): PermanentError {
  return new PermanentError('audio_empty', 'The audio holds no sound: its length is 0 s.', cause);
}

/** The stored bytes could not be read: not the audio's fault. */
export function readFault(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  return new TransientError('audio_unreadable', 'The stored audio could not be read.', { cause });
}

function undecodable(cause: Error): PermanentError {
  return new PermanentError(
    'audio_undecodable',
    'The audio cannot be decoded: the file is damaged or not what it says.',
    cause,
  );
}

function lastWords(stderr: string): string {
  return stderr.trimEnd().split('\n').slice(-3).join(' | ').slice(-500);
}
