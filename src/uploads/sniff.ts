import { fileTypeFromBuffer } from 'file-type';

/** Bytes from the start of a file that tell every type we accept. */
export const SNIFF_BYTES = 4100;

/** What the sniffer calls a type, and what we call it: containers that may hold a picture too count by their sound. */
const AUDIO_TYPES: Record<string, string> = {
  'audio/webm': 'audio/webm',
  'video/webm': 'audio/webm',
  'video/matroska': 'audio/webm',
  'video/x-matroska': 'audio/webm',
  'audio/ogg': 'audio/ogg',
  'video/ogg': 'audio/ogg',
  'application/ogg': 'audio/ogg',
  'audio/wav': 'audio/wav',
  'audio/vnd.wave': 'audio/wav',
  'audio/mpeg': 'audio/mpeg',
  'audio/mp4': 'audio/mp4',
  'audio/x-m4a': 'audio/mp4',
  'video/mp4': 'audio/mp4',
  'video/quicktime': 'audio/mp4',
  'audio/flac': 'audio/flac',
  'audio/x-flac': 'audio/flac',
};

/** EBML's magic number, and the element DocType (0x4282, four bytes long) that says webm. */
const EBML = Buffer.from([0x1a, 0x45, 0xdf, 0xa3]);
const DOC_TYPE_WEBM = Buffer.from([0x42, 0x82, 0x84, 0x77, 0x65, 0x62, 0x6d]);
/** Browsers' EBML headers end within these bytes. */
const EBML_HEADER_BYTES = 64;

/**
 * Tells audio by its first bytes, whatever its name or its sender says.
 *
 * @param head the first `SNIFF_BYTES` bytes, or the whole file if it is shorter
 * @returns audio/webm, audio/ogg, audio/wav, audio/mpeg, audio/mp4 or audio/flac; null if it is none of them
 */
export async function sniffAudio(head: Buffer): Promise<string | null> {
  // What browsers record, told at a glance: the general way costs as much as hashing the whole answer.
  if (head.subarray(0, 4).equals(EBML) && head.subarray(0, EBML_HEADER_BYTES).includes(DOC_TYPE_WEBM)) {
    return 'audio/webm';
  }
  const type = await fileTypeFromBuffer(head);
  return (type && AUDIO_TYPES[type.mime.split(';')[0] ?? '']) ?? null;
}
