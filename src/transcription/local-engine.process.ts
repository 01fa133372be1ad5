import { calmly, serve } from '../engine/engine.program.js';
import { toFloat32, type Result, type Work } from './local-engine.messages.js';
import { findLocalModels } from './local-models.js';
import { Moonshine } from './moonshine.js';
import { SpeechDetector } from './vad.js';

/* Program of the local engine's process: the threads of the speech model are its one argument. */

serve<Work, Result>(async () => {
  const models = findLocalModels();
  const detector = await SpeechDetector.load(models.vad, calmly(1));
  const moonshine = await Moonshine.load(models, calmly(Number(process.argv[2])));
  return (work, cancelled): Promise<Result> =>
    work.kind === 'detect'
      ? detector.detect(toFloat32(work.samples), work.memory)
      : moonshine.transcribe(toFloat32(work.samples), cancelled);
});
