import { Log } from '../common/logging.js';
import { EngineCircuit } from '../openai/engine-circuit.js';
import { Scorer, type Score, type ScoringRequest } from './scorer.js';

/** Stands between the stage and a scoring engine that is far away: while that is left alone, attempts fail at once and are not counted. */
export class CircuitScorer extends Scorer {
  readonly id: string;
  private readonly circuit: EngineCircuit;

  /** @param restS seconds until one attempt may try the engine again */
  constructor(
    private readonly engine: Scorer,
    restS: number,
    log: Log,
  ) {
    super();
    this.id = engine.id;
    this.circuit = new EngineCircuit('scoring', restS, log, { engine: engine.id });
  }

  score(request: ScoringRequest): Promise<Score> {
    return this.circuit.ask(() => this.engine.score(request), request.signal);
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}
