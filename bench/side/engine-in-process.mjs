// Preloaded into the worker (node --import): the engine is a function of the process itself that takes STUB_MS, as the
// reference's is. What is measured then is the pipeline around an engine, not a request to one. The audio is read to its end.
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const wait = Number(process.env.STUB_MS ?? 100);
const text = 'I led the move of our billing jobs to a queue, and failed invoices fell from nine a week to none.';

const { OpenAiTranscriber } = await import(
  pathToFileURL(`${process.env.DIST_DIR}/transcription/openai.transcriber.js`).href
);

OpenAiTranscriber.prototype.check = () => Promise.resolve();
OpenAiTranscriber.prototype.transcribe = async function transcribe({ audio, onDuration }) {
  let size = 0;
  for await (const bytes of audio.open()) size += bytes.length;
  if (size !== audio.size) throw new Error(`${size} bytes of ${audio.size}`);
  if (wait > 0) await pause(wait);
  onDuration(10);
  return { text, segments: [{ start: 0, end: 10, text }], language: 'en', duration: 10, transcriber: this.id };
};
