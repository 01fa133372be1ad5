import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { LocalModels } from './local-models.js';
import { END_TOKEN, loopStart, START_TOKEN, textOf } from './tokens.js';

export interface Recognition {
  /** Empty when nothing was recognised. */
  text: string;
  /** Mean natural logarithm of the chosen tokens' probabilities: 0 is certain, below -1 is guessing. */
  confidence: number;
}

const SAMPLE_RATE = 16_000;
/** Moonshine's own limit (model card): what is longer than this for its length is made up. */
const TOKENS_PER_SECOND = 6.5;
/** A word of a few letters may be several tokens, whatever its length. */
const FEWEST_TOKENS = 6;
const LAYERS = 6;
const EMPTY_CACHE = [0, 8, 1, 36];

/**
 * Moonshine-tiny (English) in ONNX Runtime: one piece of speech under 30 s in, its words out, by greedy search.
 * `session.run` blocks the thread that calls it: made for a process of its own.
 */
export class Moonshine {
  /** Outputs of a step after the first: the cache of the encoder's side does not change any more. */
  private readonly laterOutputs: string[];

  private constructor(
    private readonly encoder: InferenceSession,
    private readonly decoder: InferenceSession,
  ) {
    this.laterOutputs = decoder.outputNames.filter((name) => !name.includes('.encoder.'));
  }

  /** @param options how to run the encoder; the decoder takes one thread */
  static async load(models: LocalModels, options: InferenceSession.SessionOptions): Promise<Moonshine> {
    const encoder = await InferenceSession.create(models.encoder, options);
    // A step of the decoder is too small to be shared: with two threads it takes longer.
    const decoder = await InferenceSession.create(models.decoder, { ...options, intraOpNumThreads: 1 });
    return new Moonshine(encoder, decoder);
  }

  /**
   * @param samples 16 kHz mono, -1 to 1
   * @param stopped asked before every token; once true, what there is so far is given back
   */
  async transcribe(samples: Float32Array, stopped: () => boolean = () => false): Promise<Recognition> {
    const { last_hidden_state } = await this.encoder.run({
      input_values: new Tensor('float32', samples, [1, samples.length]),
    });
    const feeds: Record<string, Tensor> = { encoder_hidden_states: last_hidden_state! };
    const nothing = new Tensor('float32', new Float32Array(0), EMPTY_CACHE);
    for (let layer = 0; layer < LAYERS; layer++)
      for (const side of ['decoder', 'encoder'])
        for (const part of ['key', 'value']) feeds[`past_key_values.${layer}.${side}.${part}`] = nothing;

    const input = new BigInt64Array([BigInt(START_TOKEN)]);
    const cached = new Uint8Array([0]);
    feeds['input_ids'] = new Tensor('int64', input, [1, 1]);
    feeds['use_cache_branch'] = new Tensor('bool', cached, [1]);

    const limit = FEWEST_TOKENS + Math.ceil((samples.length / SAMPLE_RATE) * TOKENS_PER_SECOND);
    let tokens: number[] = [];
    const certainties: number[] = [];
    let steps = 0;
    let ended = false;
    while (!ended && tokens.length < limit && !stopped()) {
      const outputs = await (steps === 0 ? this.decoder.run(feeds) : this.decoder.run(feeds, this.laterOutputs));
      steps++;
      const { token, logProbability } = likeliest(outputs['logits']!.data as Float32Array);
      certainties.push(logProbability);
      ended = token === END_TOKEN;
      if (ended) break;
      tokens.push(token);
      for (const name in outputs)
        if (name !== 'logits') feeds[name.replace('present', 'past_key_values')] = outputs[name]!;
      input[0] = BigInt(token);
      cached[0] = 1;
    }
    // Who says a word many times goes on at some time; a decoder that lost the sound never does.
    const keep = ended ? null : loopStart(tokens);
    if (keep !== null) {
      tokens = tokens.slice(0, keep);
      certainties.length = keep;
    }
    return { text: textOf(tokens), confidence: mean(certainties) };
  }
}

const mean = (values: readonly number[]): number =>
  values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : 0;

function likeliest(logits: Float32Array): { token: number; logProbability: number } {
  let token = 0;
  let highest = logits[0]!;
  for (let i = 1; i < logits.length; i++) {
    const logit = logits[i]!;
    if (logit > highest) {
      highest = logit;
      token = i;
    }
  }
  let sum = 0;
  // What is e^20 times less likely than the likeliest adds nothing that counts.
  const least = highest - 20;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > least) sum += Math.exp(logits[i]! - highest);
  return { token, logProbability: -Math.log(sum) };
}
