/** Peak under which sound is quieter than what detector and model know. */
const QUIET = 0.03;
/** What the peak of quiet sound is raised to. */
const RAISED = 0.3;
/** More would raise nothing but the steps of 16 bits. */
const MOST_GAIN = 100;

/**
 * Raises a quiet recording, as it comes, to the loudness that the detector of speech and the model know: a microphone 40 dB too low costs
 * first words, one 50 dB too low whole sentences. What was loud once is left as it is from there on.
 */
export class Loudness {
  private peak = 0;

  /** @param block samples from -1 to 1, changed in place */
  raise(block: Float32Array): void {
    for (const sample of block) this.peak = Math.max(this.peak, Math.abs(sample));
    if (this.peak === 0 || this.peak >= QUIET) return;
    const gain = Math.min(MOST_GAIN, RAISED / this.peak);
    for (let i = 0; i < block.length; i++) block[i]! *= gain;
  }
}
