import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { AudioSource } from '../../src/transcription/transcriber.js';

const TYPES: Readonly<Record<string, string>> = {
  '.webm': 'audio/webm',
  '.ogg': 'audio/ogg',
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
  '.m4a': 'audio/mp4',
  '.flac': 'audio/flac',
};

/** Path of a file in test/fixtures/speech. */
export function speechPath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/speech/${name}`, import.meta.url));
}

/** What is said in `reading.*`. */
export function readingText(): string {
  const said = JSON.parse(readFileSync(speechPath('transcripts.json'), 'utf8')) as Record<string, string>;
  return said['reading']!;
}

/** Bytes in memory as stored audio. */
export function bytesAudio(bytes: Buffer, contentType: string): AudioSource {
  return { open: () => Readable.from([bytes]), size: bytes.length, contentType };
}

/** A file in test/fixtures/speech as stored audio. */
export function fileAudio(name: string): AudioSource {
  return bytesAudio(readFileSync(speechPath(name)), TYPES[extname(name)] ?? 'application/octet-stream');
}

/** A WAV file's 44 bytes of header, 16 bit mono, for `samples` samples that follow it. */
export function wavHeader(samples: number, rate = 16_000): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + samples * 2, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(samples * 2, 40);
  return header;
}

/** Samples from -1 to 1 at 16 kHz as a stored WAV file. */
export function wavAudio(samples: Float32Array): AudioSource {
  const data = Buffer.alloc(samples.length * 2);
  samples.forEach((sample, i) => data.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 32767), i * 2));
  return bytesAudio(Buffer.concat([wavHeader(samples.length), data]), 'audio/wav');
}
