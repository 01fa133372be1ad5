import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';

export interface MultipartFile {
  /** Without quotes, backslashes or line breaks. */
  name: string;
  type: string;
  /** Bytes. */
  size: number;
  open(): Readable;
}

/** Smaller files are sent as one buffer: what fetch makes of a stream costs more than the bytes. */
const SMALL_BYTES = 1 << 20;

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** A form whose file is read as it is sent. */
export interface MultipartForm {
  headers: Record<string, string>;
  /** To be asked for once. */
  body(): Promise<Uint8Array | AsyncIterable<Uint8Array>>;
  /** What the file's stream failed with, null when it did not: to the sender it looks like a broken connection. */
  fault(): Error | null;
  /** Stops reading the file. To be called when the request is over: fetch goes on reading a body that nobody takes. */
  close(): void;
}

/**
 * Encodes a form with one file (RFC 7578) as a stream of known length: memory stays at a chunk or two, and servers that
 * take no chunked bodies are served too.
 */
export function multipartForm(fields: readonly (readonly [string, string])[], file: MultipartFile): MultipartForm {
  const boundary = `vivavoce-${randomBytes(16).toString('hex')}`;
  const parts = fields.map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const disposition = `Content-Disposition: form-data; name="file"; filename="${file.name}"`;
  parts.push(`--${boundary}\r\n${disposition}\r\nContent-Type: ${file.type}\r\n\r\n`);
  const head = Buffer.from(parts.join(''));
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  let fault: Error | null = null;
  let closed = false;
  let source: Readable | null = null;

  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield head;
    if (closed) return;
    source = file.open();
    try {
      for await (const chunk of source as AsyncIterable<Uint8Array>) yield chunk;
    } catch (error) {
      if (closed) return;
      fault = error as Error;
      throw error;
    }
    yield tail;
  }
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + file.size + tail.length),
    },
    body: async () => (file.size > SMALL_BYTES ? pieces() : await joined(pieces())),
    fault: () => fault,
    close: () => {
      closed = true;
      source?.destroy();
    },
  };
}
