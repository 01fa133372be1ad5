import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../engine/packages.js';

/** Where the weights of the local engine are on this machine. */
export interface LocalModels {
  /** Version of the package that ships the speech model. */
  version: string;
  encoder: string;
  decoder: string;
  vad: string;
}

const SPEECH_MODEL = '@moonshine-ai/moonshine-js';
const VAD_MODEL = '@ricky0123/vad-web';

/**
 * Finds the weights in the installed npm packages.
 *
 * @throws Error when a package is not installed
 */
export function findLocalModels(): LocalModels {
  const speech = packageFolder(SPEECH_MODEL);
  const { version } = JSON.parse(readFileSync(join(speech, 'package.json'), 'utf8')) as { version: string };
  const tiny = join(speech, 'dist/model/tiny/quantized');
  return {
    version,
    encoder: join(tiny, 'encoder_model.onnx'),
    decoder: join(tiny, 'decoder_model_merged.onnx'),
    vad: join(packageFolder(VAD_MODEL), 'dist/silero_vad_v6.onnx'),
  };
}
