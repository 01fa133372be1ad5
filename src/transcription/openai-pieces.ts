import { PassThrough } from 'node:stream';
import { SAMPLE_RATE, type Ffmpeg } from './ffmpeg.js';
import { PauseCutter } from './openai-cut.js';
import type { AudioSource } from './transcriber.js';

/** A piece of long audio, re-encoded to be sent on its own. */
export interface EncodedPiece {
  index: number;
  /** Seconds from the start of the audio. */
  start: number;
  end: number;
  /** Ogg with mono Opus; null for a piece that was not asked for. */
  bytes: Buffer | null;
}

export interface PieceOptions {
  /** Seconds of the longest piece. */
  longestS: number;
  /** Whether the piece of this index has to be encoded. */
  wanted: (index: number) => boolean;
}

/** Speech stays intelligible to recognisers well below this; at 20 minutes a piece is 5 MB. */
const OPUS_BIT_RATE = '32k';

/** Length of the whole audio in seconds, by decoding it. */
export async function measureDuration(ffmpeg: Ffmpeg, audio: AudioSource, signal: AbortSignal): Promise<number> {
  const rate = 8000;
  const output = ['-ac', '1', '-ar', String(rate), '-c:a', 'pcm_u8', '-f', 'u8'];
  const { stdout, done } = ffmpeg.run({ audio, output, signal });
  let bytes = 0;
  for await (const chunk of stdout as AsyncIterable<Buffer>) bytes += chunk.length;
  await done;
  return bytes / rate;
}

/**
 * Decodes audio of any length once, cuts it at pauses and re-encodes each piece to mono Opus. The cut depends on the
 * audio alone, so that a later attempt finds the same pieces. Holds one encoded piece and a minute of samples.
 *
 * @throws as `FfmpegRun.done`
 */
export async function* encodePieces(
  ffmpeg: Ffmpeg,
  audio: AudioSource,
  signal: AbortSignal,
  { longestS, wanted }: PieceOptions,
): AsyncGenerator<EncodedPiece> {
  const cutter = new PauseCutter(longestS);
  let index = 0;
  let from = 0;
  let to = 0;
  let encoder = wanted(0) ? new OpusEncoder(ffmpeg, signal) : null;
  const finish = async (): Promise<EncodedPiece> => ({
    index,
    start: from / SAMPLE_RATE,
    end: to / SAMPLE_RATE,
    bytes: encoder ? await encoder.finish() : null,
  });
  try {
    for await (const samples of ffmpeg.decodePcm({ audio, signal })) {
      for (const { samples: part, endsPiece } of cutter.push(samples)) {
        to += part.length;
        await encoder?.write(part);
        if (!endsPiece) continue;
        yield await finish();
        index += 1;
        from = to;
        encoder = wanted(index) ? new OpusEncoder(ffmpeg, signal) : null;
      }
    }
    const rest = cutter.flush();
    to += rest.length;
    await encoder?.write(rest);
    if (to > from) yield await finish();
  } finally {
    encoder?.abandon();
  }
}

/** ffmpeg turning samples into Ogg/Opus. */
class OpusEncoder {
  private readonly input = new PassThrough({ highWaterMark: 1 << 18 });
  private readonly left = new AbortController();
  private readonly output: Promise<Buffer>;

  constructor(ffmpeg: Ffmpeg, signal: AbortSignal) {
    this.input.on('error', () => undefined);
    this.input.write(wavHeader());
    // How much it will be is not known yet; what matters is that it is not nothing.
    const audio: AudioSource = { open: () => this.input, size: Infinity, contentType: 'audio/wav' };
    const output = ['-c:a', 'libopus', '-b:a', OPUS_BIT_RATE, '-application', 'voip', '-f', 'ogg'];
    const run = ffmpeg.run({ audio, output, signal: AbortSignal.any([signal, this.left.signal]) });
    this.output = (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of run.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
      await run.done;
      return Buffer.concat(chunks);
    })();
    // A failure is met in `write` or `finish`.
    this.output.catch((error: Error) => this.input.destroy(error));
  }

  /** @param samples from -1 to 1 */
  async write(samples: Float32Array): Promise<void> {
    const bytes = Buffer.allocUnsafe(samples.length * 2);
    for (let i = 0; i < samples.length; i++) {
      const level = Math.round((samples[i] as number) * 32768);
      bytes.writeInt16LE(Math.max(-32768, Math.min(32767, level)), i * 2);
    }
    if (this.input.destroyed) await this.output;
    if (this.input.write(bytes)) return;
    await Promise.race([new Promise((resolve) => this.input.once('drain', resolve)), this.output]);
  }

  async finish(): Promise<Buffer> {
    this.input.end();
    return this.output;
  }

  /** Ends ffmpeg; does nothing after `finish`. */
  abandon(): void {
    this.left.abort(new Error('The rest of the audio is not wanted.'));
  }
}

/** Header of a WAV stream of unknown length: 16-bit mono (RIFF; a size of 0xFFFFFFFF is read as "until the end"). */
function wavHeader(): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(0xffffffff, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SAMPLE_RATE, 24);
  header.writeUInt32LE(SAMPLE_RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(0xffffffff, 40);
  return header;
}
