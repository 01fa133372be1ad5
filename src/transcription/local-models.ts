import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

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

/** The packages export their JavaScript only, so their folder is looked for where Node would. */
function packageFolder(name: string): string {
  for (const modules of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const folder = join(modules, name);
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  throw new Error(`The package ${name} is not installed.`);
}
