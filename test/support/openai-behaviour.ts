import type { IncomingMessage } from 'node:http';

/** The file of a transcription request, as it arrived. */
export interface RecordedFile {
  name: string;
  type: string;
  bytes: number;
  sha256: string;
  content: Buffer;
}

/** One request that the server saw, in order of arrival; filled in when its body is complete. */
export interface RecordedRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  /** Form fields in order; `timestamp_granularities[]` and the like may repeat. */
  fields: [name: string, value: string][];
  model: string | null;
  language: string | null;
  file: RecordedFile | null;
  /** Body of a chat completion. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into it freely
  json: any;
  /** Milliseconds since the server started. */
  at: number;
  /** The caller hung up before it had its answer. */
  aborted: boolean;
}

export interface SpokenSegment {
  start: number;
  end: number;
  text: string;
  avg_logprob?: number;
  compression_ratio?: number;
  no_speech_prob?: number;
}

/** A value, or how it follows from the request. */
export type From<T> = T | ((request: RecordedRequest) => T);

/** What the server does with one request. Times in milliseconds, except `duration` and segments: seconds. */
export type Behaviour =
  | {
      does: 'answer';
      delay?: number;
      text?: From<string>;
      /** Default: the text's sentences, spread over `duration`. */
      segments?: From<SpokenSegment[]>;
      /** A name, as whisper-1 gives it. */
      language?: string;
      duration?: From<number>;
      /** Chat: the message's content; an object is sent as JSON. Default: a sound score of the answer it was given. */
      content?: From<unknown>;
      /** Chat: the model refuses. */
      refusal?: string;
      finish?: 'stop' | 'length' | 'content_filter';
    }
  | { does: 'fail'; status: number; message?: string; code?: string | null; headers?: Record<string, string> }
  | { does: 'hang' }
  /** Answers with 200 and half a body, and then nothing. */
  | { does: 'stall' }
  /** Cuts the connection, before the body is read if `early`. */
  | { does: 'cut'; early?: boolean }
  | { does: 'garble' };

export const rateLimited = (headers: Record<string, string>): Behaviour => ({
  does: 'fail',
  status: 429,
  message: 'Rate limit reached for requests',
  code: 'rate_limit_exceeded',
  headers,
});
/** As OpenAI words a request that is more than it takes in a minute: waiting does not help. */
export const requestTooLarge: Behaviour = {
  does: 'fail',
  status: 429,
  message:
    'Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 36278. ' +
    'The input or output tokens must be reduced in order to run successfully.',
  code: 'rate_limit_exceeded',
};
export const tooLongForModel: Behaviour = {
  does: 'fail',
  status: 400,
  message: 'audio duration 1620.4 seconds is longer than 1400 seconds which is the maximum for this model',
  code: 'invalid_value',
};
export const serverError: Behaviour = { does: 'fail', status: 500, message: 'The server had an error', code: null };
export const invalidFile: Behaviour = {
  does: 'fail',
  status: 400,
  message: 'Invalid file format. Supported formats: flac, m4a, mp3, mp4, mpeg, mpga, oga, ogg, wav, webm',
  code: null,
};
/** As OpenAI words it: with a part of the key in it. */
export const rejectedKey: Behaviour = {
  does: 'fail',
  status: 401,
  message:
    'Incorrect API key provided: sk-test-********cret. You can find your API key at https://platform.openai.com.',
  code: 'invalid_api_key',
};
