import type { TensorRef } from '../../graph/planned.js';
import type { LossAttrs } from '../../ops/loss.js';
import type { Arena } from './arena.js';
import { View } from './arena.js';
import { interpolate, samplesOf, scatter } from './resize.js';

/** A labelled pixel as a loss sees it. */
export interface LossPixel {
  readonly n: number;
  readonly y: number;
  readonly x: number;
  readonly label: number;
  /** Softmax of the resized logits; overwritten for the next pixel. */
  readonly p: Float64Array;
  /** Its own logit less the logarithm of the sum of exponentials: `ln p[label]`. */
  readonly logP: number;
}

/** A loss of coarse logits against labels, pixel by pixel, in float64. */
export class SoftmaxLoss {
  readonly labels: View;
  readonly classes: number;
  private readonly logits: View;
  private readonly glogits: View;
  private readonly rows;
  private readonly columns;

  constructor(
    {
      inputs,
      outputs,
      attrs,
    }: {
      readonly inputs: { readonly logits: TensorRef; readonly labels: TensorRef };
      readonly outputs: { readonly glogits: TensorRef };
      readonly attrs: LossAttrs;
    },
    arena: Arena,
  ) {
    this.logits = new View(arena, inputs.logits);
    this.labels = new View(arena, inputs.labels);
    this.glogits = new View(arena, outputs.glogits);
    this.glogits.fill(0);
    this.classes = this.logits.c;
    this.ignore = attrs.ignore;
    this.rows = samplesOf(this.logits.h, this.labels.h, attrs.alignCorners);
    this.columns = samplesOf(this.logits.w, this.labels.w, attrs.alignCorners);
  }

  private readonly ignore: number;

  /** The label at a pixel; `undefined` where there is none. */
  labelAt(n: number, y: number, x: number): number | undefined {
    if (y < 0 || x < 0 || y >= this.labels.h || x >= this.labels.w) return undefined;
    const label = this.labels.data[this.labels.at(n, y, x)];
    return label === this.ignore || label >= this.classes ? undefined : label;
  }

  /** All labelled pixels in order. */
  *pixels(): Generator<LossPixel> {
    const p = new Float64Array(this.classes);
    for (let n = 0; n < this.labels.n; n++) {
      for (let y = 0; y < this.labels.h; y++) {
        for (let x = 0; x < this.labels.w; x++) {
          const label = this.labelAt(n, y, x);
          if (label === undefined) continue;
          interpolate(this.logits, n, this.rows[y], this.columns[x], p);
          const largest = Math.max(...p);
          const own = p[label];
          let sum = 0;
          for (let c = 0; c < p.length; c++) sum += p[c] = Math.exp(p[c] - largest);
          for (let c = 0; c < p.length; c++) p[c] /= sum;
          yield { n, y, x, label, p, logP: own - largest - Math.log(sum) };
        }
      }
    }
  }

  /**
   * Adds the gradient of one pixel, given as `u[c] = p[c]·∂L/∂p[c]`: `∂L/∂z[c] = u[c] − p[c]·Σ u`.
   */
  send({ n, y, x, p }: LossPixel, u: Float64Array): void {
    const total = u.reduce((a, b) => a + b, 0);
    const gz = u.map((value, c) => value - p[c] * total);
    scatter(this.glogits, n, this.rows[y], this.columns[x], gz);
  }
}
