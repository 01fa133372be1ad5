import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { mongo } from 'mongoose';
import { AudioStore } from '../storage/audio-store.js';
import { SNIFF_BYTES, sniffAudio } from '../uploads/sniff.js';
import type { OldAudio } from './predecessor.js';

/** Finds out about stored bytes what the service before this one did not write down. */
@Injectable()
export class OldAudioReader {
  constructor(private readonly store: AudioStore) {}

  /**
   * @param inFull false only looks whether the file is there: hash and type stay empty
   * @returns null when the file is gone, or its bytes are not all there
   */
  async read(fileId: mongo.ObjectId, inFull: boolean): Promise<OldAudio | null> {
    const id = fileId.toHexString();
    const file = await this.store.stat(id);
    if (!file) return null;
    if (!inFull) return { size: file.size, sha256: '', content_type: '' };
    const hash = createHash('sha256');
    let size = 0;
    let head = Buffer.alloc(0);
    try {
      for await (const bytes of this.store.open(id) as AsyncIterable<Buffer>) {
        hash.update(bytes);
        size += bytes.length;
        if (head.length < SNIFF_BYTES) head = Buffer.concat([head, bytes.subarray(0, SNIFF_BYTES - head.length)]);
      }
    } catch (error) {
      if ((error as { code?: unknown }).code === 'not_found') return null;
      throw error;
    }
    const said = file.metadata['content_type'];
    const content_type = (await sniffAudio(head)) ?? (typeof said === 'string' ? said : '');
    return { size, sha256: hash.digest('hex'), content_type };
  }
}
