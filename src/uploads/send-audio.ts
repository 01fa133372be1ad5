import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { matchesEtag } from '../common/etag.js';
import type { ReadableAudio } from './audio.reader.js';

/** Answers with audio, whole or in part (RFC 9110, 13 and 14); a player asks for ranges as its user jumps. */
export async function sendAudio(audio: ReadableAudio, request: Request, response: Response): Promise<void> {
  const etag = `"${audio.sha256}"`;
  response.attachment(audio.fileName);
  response.set({
    'Content-Type': audio.contentType,
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, no-cache',
    ETag: etag,
  });
  if (matchesEtag(request.headers['if-none-match'], etag)) {
    response.status(304).end();
    return;
  }
  const range = rangeOf(request, audio.size, etag);
  if (range === 'unsatisfiable') {
    withoutAudio(response);
    response.set('Content-Range', `bytes */${audio.size}`);
    response.status(416).json({ detail: 'Requested range not satisfiable' });
    return;
  }
  const { start, end } = range ?? { start: 0, end: audio.size };
  response.set('Content-Length', String(end - start));
  if (range) response.status(206).set('Content-Range', `bytes ${start}-${end - 1}/${audio.size}`);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const bytes = audio.open(range ?? undefined);
  try {
    await once(bytes, 'readable');
  } catch (error) {
    // What fails before the first byte is an error like any other.
    withoutAudio(response);
    throw error;
  }
  // Who leaves in the middle has heard enough; what breaks then can be told by nothing but the end of the connection.
  await pipeline(bytes, response).catch(() => undefined);
}

const OF_AUDIO = new Set([
  'accept-ranges',
  'content-disposition',
  'content-length',
  'content-range',
  'content-type',
  'etag',
]);

function withoutAudio(response: Response): void {
  for (const name of response.getHeaderNames()) if (OF_AUDIO.has(name)) response.removeHeader(name);
}

/** The one range that is asked for; null for the whole. Several at once are answered with the whole, as RFC 9110 allows. */
function rangeOf(
  request: Request,
  size: number,
  etag: string,
): { start: number; end: number } | 'unsatisfiable' | null {
  const condition = request.get('if-range');
  if (condition !== undefined && condition !== etag) return null;
  // One that ends before it begins is none (RFC 9110, 14.1.1).
  const ends = /^bytes=\s*(\d+)-(\d+)\s*$/.exec(request.get('range') ?? '');
  if (ends && BigInt(ends[2]!) < BigInt(ends[1]!)) return null;
  const ranges = request.range(size, { combine: true });
  if (ranges === -1) return 'unsatisfiable';
  if (ranges === undefined || ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return null;
  const { start, end } = ranges[0]!;
  return { start, end: end + 1 };
}
