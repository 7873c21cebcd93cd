import type { CoarseLogits } from '../eval/predictor.js';

/**
 * Logits averaged over time: `z̄ₜ = s·z̄ₜ₋₁ + (1 − s)·zₜ` at the head's resolution, so that labels flicker less where
 * the network hesitates. Moving things lag by about `s / (1 − s)` frames.
 */
export class Smoother {
  private mean: Float32Array | undefined;
  private readonly before: { raw?: Uint8Array; smooth?: Uint8Array } = {};
  private pairs = 0;
  private readonly changed = { raw: 0, smooth: 0 };

  /** @param share of the past, 0 to below 1. */
  constructor(private readonly share: number) {}

  /** Takes a frame's logits in. @returns the mean, valid until the next call. */
  add(logits: CoarseLogits): CoarseLogits {
    const { data, classes } = logits;
    if (this.mean?.length !== data.length) {
      this.mean = data.slice();
      this.before.raw = undefined;
    } else {
      const { mean, share } = this;
      for (let i = 0; i < data.length; i++) mean[i] = share * mean[i] + (1 - share) * data[i];
    }
    const raw = argmaxOf(data, classes);
    const smooth = argmaxOf(this.mean, classes);
    if (this.before.raw && this.before.smooth) {
      this.pairs++;
      this.changed.raw += changedShare(this.before.raw, raw);
      this.changed.smooth += changedShare(this.before.smooth, smooth);
    }
    this.before.raw = raw;
    this.before.smooth = smooth;
    return { ...logits, data: this.mean };
  }

  /** Mean share of cells (at the head's resolution) whose class changes from one frame to the next. */
  get flicker(): { readonly before: number; readonly after: number } | undefined {
    if (this.pairs === 0) return undefined;
    return { before: this.changed.raw / this.pairs, after: this.changed.smooth / this.pairs };
  }
}

function argmaxOf(data: Float32Array, classes: number): Uint8Array {
  const labels = new Uint8Array(data.length / classes);
  for (let i = 0; i < labels.length; i++) {
    let best = 0;
    const at = i * classes;
    for (let c = 1; c < classes; c++) if (data[at + c] > data[at + best]) best = c;
    labels[i] = best;
  }
  return labels;
}

function changedShare(a: Uint8Array, b: Uint8Array): number {
  let changed = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) changed++;
  return changed / a.length;
}
