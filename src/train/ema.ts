/** Named float32 tensors. */
export type Weights = ReadonlyMap<string, Float32Array>;

/**
 * Exponential moving average of weights and running statistics, on the host:
 * `average = d·average + (1 − d)·weights` with `d = min(decay, (1 + t)/(10 + t))`, t updates so far, so that the
 * first steps do not weigh for ever.
 */
export class WeightAverage {
  /** @param average first content, copied; @param updates how many updates it already holds. */
  constructor(
    readonly decay: number,
    average: Weights,
    public updates = 0,
  ) {
    if (!(decay >= 0 && decay < 1)) throw new RangeError(`an EMA decay is in [0, 1), not ${decay}`);
    this.average = new Map([...average].map(([name, data]) => [name, Float32Array.from(data)]));
  }

  /** The averaged tensors; do not change them. */
  readonly average: Weights;

  /** Takes in the weights after one optimiser step. */
  update(weights: Weights): void {
    const decay = Math.min(this.decay, (1 + this.updates) / (10 + this.updates));
    for (const [name, average] of this.average) {
      const current = weights.get(name)!;
      for (let i = 0; i < average.length; i++) average[i] = decay * average[i] + (1 - decay) * current[i];
    }
    this.updates++;
  }
}
