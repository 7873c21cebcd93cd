/** Intervals of confidence. */
const bins = 15;

/** Pixels whose confidence lies in one interval. */
export interface CalibrationBin {
  /** The interval: from above `from` up to `to`. */
  readonly from: number;
  readonly to: number;
  readonly pixels: number;
  /** Mean confidence, and the share of pixels that are right; `undefined` without pixels. */
  readonly confidence: number | undefined;
  readonly accuracy: number | undefined;
}

/**
 * How far confidence can be trusted: by intervals of equal width ("On Calibration of Modern Neural Networks", Guo et al.
 * 2017), over labelled pixels.
 */
export class Calibration {
  private readonly pixels = new Float64Array(bins);
  private readonly right = new Float64Array(bins);
  private readonly confidence = new Float64Array(bins);

  /**
   * Counts the pixels of an image.
   * @param labels train ids; 255 and ids without a class are left out.
   * @param confidence each pixel's probability of its prediction, 0 to 255.
   */
  add(labels: Uint8Array, prediction: Uint8Array, confidence: Uint8Array, classes: number): void {
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] >= classes) continue;
      const bin = Math.max(0, Math.ceil((bins * confidence[i]) / 255) - 1);
      this.pixels[bin]++;
      this.confidence[bin] += confidence[i] / 255;
      if (labels[i] === prediction[i]) this.right[bin]++;
    }
  }

  /** From low to high confidence. */
  get bins(): CalibrationBin[] {
    return Array.from(this.pixels, (pixels, i) => ({
      ...{ from: i / bins, to: (i + 1) / bins, pixels },
      confidence: pixels > 0 ? this.confidence[i] / pixels : undefined,
      accuracy: pixels > 0 ? this.right[i] / pixels : undefined,
    }));
  }

  /** Expected calibration error: `Σ n/N·|accuracy − confidence|` over the bins; `undefined` without pixels. */
  get error(): number | undefined {
    const total = this.pixels.reduce((a, b) => a + b, 0);
    if (total === 0) return undefined;
    return this.right.reduce((sum, right, i) => sum + Math.abs(right - this.confidence[i]), 0) / total;
  }
}
