import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach } from '@jest/globals';
import { Config, loadConfig } from '../../src/config/config.js';
import { Ffmpeg } from '../../src/transcription/ffmpeg.js';
import type { AudioSource } from '../../src/transcription/transcriber.js';
import { wavHeader } from './audio-source.js';

export const never = new AbortController().signal;

/** Decoders with a folder of their own for each test. */
export function ffmpegStand() {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ffmpeg-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const scratch = () => join(folder, 'scratch');

  function ffmpeg(settings: Partial<Config> = {}): Ffmpeg {
    return new Ffmpeg(Object.assign(new Config(), loadConfig({}), settings), scratch());
  }

  /** How long the sound is that comes out. */
  async function seconds(audio: AudioSource, decoder = ffmpeg(), signal = never): Promise<number> {
    let samples = 0;
    for await (const chunk of decoder.decodePcm({ audio, signal })) samples += chunk.length;
    return samples / 16_000;
  }

  /** A stand-in for ffmpeg that notes its process id and then does what `script` says. */
  function program(script: string): { path: string; pid: () => number } {
    const path = join(folder, 'program');
    writeFileSync(path, `#!/bin/sh\necho $$ > ${folder}/pid\n${script}\n`);
    chmodSync(path, 0o755);
    return { path, pid: () => Number(readFileSync(join(folder, 'pid'), 'utf8')) };
  }

  return { folder: () => folder, scratch, ffmpeg, seconds, program };
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function until(state: () => boolean): Promise<void> {
  while (!state()) await delay(5);
}

/** A WAV file whose store stops sending after `bytes` bytes of sound, without ending. */
export function stalled(contentType = 'audio/wav', bytes = 640_000): AudioSource & { stream: () => Readable } {
  let stream: Readable | undefined;
  const open = () => {
    let sent = false;
    stream = new Readable({
      read() {
        if (!sent) this.push(Buffer.concat([wavHeader(16_000_000), Buffer.alloc(bytes)]));
        sent = true;
      },
    });
    return stream;
  };
  return { open, size: 32_000_044, contentType, stream: () => stream! };
}
