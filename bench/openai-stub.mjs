// An OpenAI-compatible transcription endpoint that costs next to no CPU: it throws the audio away and answers after STUB_MS.
//   STUB_MS=100 STUB_PORT=9100 node bench/openai-stub.mjs     (port 0 or unset: a free one; the base URL is printed)
import { createServer } from 'node:http';
import { setTimeout } from 'node:timers';

const wait = Number(process.env.STUB_MS ?? 100);
const text =
  process.env.STUB_TEXT ??
  'I led the move of our billing jobs to a queue, and failed invoices fell from nine a week to none.';
const verbose = JSON.stringify({
  task: 'transcribe',
  language: 'english',
  duration: 10,
  text,
  segments: [{ id: 0, start: 0, end: 10, text, avg_logprob: -0.2, compression_ratio: 1.4, no_speech_prob: 0.01 }],
});

const server = createServer((request, response) => {
  const answer = () => response.writeHead(200, { 'content-type': 'application/json' }).end(verbose);
  request.resume().on('end', () => (wait > 0 ? setTimeout(answer, wait) : answer()));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.env.STUB_PORT ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/v1`);
});
