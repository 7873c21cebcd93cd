import { UserError } from '../errors.js';

/**
 * Counts of pixels by true class (row) and predicted class (column), over any number of images. Pixels whose
 * label is 255 are not counted. Counts are exact up to 2^53 pixels.
 */
export class ConfusionMatrix {
  /** Row-major, `classes × classes`. */
  readonly counts: Float64Array;
  /** Pixels of each class that were predicted as none of them (255): wrong, but in no class's false positives. */
  readonly missed: Float64Array;
  /** Pixels seen with label 255. */
  ignored = 0;

  /** @param classes 1 to 255. */
  constructor(readonly classes: number) {
    if (!Number.isInteger(classes) || classes < 1 || classes > 255) {
      throw new RangeError(`a confusion matrix has 1 to 255 classes, not ${classes}`);
    }
    this.counts = new Float64Array(classes * classes);
    this.missed = new Float64Array(classes);
  }

  /**
   * Adds the pixels of one image (or of any part of one).
   * @param labels train ids; 255 is ignored, other values must be classes.
   * @param prediction class of each pixel, in the same order, or 255 for none; must be such where the label is not 255.
   * @throws UserError where the lengths differ or a value is no class; nothing is counted then.
   */
  add(labels: Uint8Array, prediction: Uint8Array): void {
    if (labels.length !== prediction.length) {
      throw new UserError(
        `prediction has ${prediction.length} pixels but the labels have ${labels.length}; both must have the same size`,
      );
    }
    // Pairs are counted first as u32 (one image has fewer than 2^32 pixels), so a bad value leaves no trace.
    const pairs = new Uint32Array(1 << 16);
    for (let i = 0; i < labels.length; i++) pairs[(labels[i] << 8) | prediction[i]]++;
    const { classes } = this;
    for (let label = 0; label < 255; label++) {
      for (let predicted = 0; predicted < 256; predicted++) {
        if (pairs[(label << 8) | predicted] === 0) continue;
        if (label < classes && (predicted < classes || predicted === 255)) continue;
        const what = label < classes ? `predicted class ${predicted}` : `label ${label}`;
        throw new UserError(`${what} is not one of the ${classes} classes (0 to ${classes - 1})`);
      }
    }
    for (let label = 0; label < classes; label++) {
      this.missed[label] += pairs[(label << 8) | 255];
      for (let predicted = 0; predicted < classes; predicted++) {
        this.counts[label * classes + predicted] += pairs[(label << 8) | predicted];
      }
    }
    for (let predicted = 0; predicted < 256; predicted++) this.ignored += pairs[(255 << 8) | predicted];
  }

  /** All counts as numbers: {@link counts}, {@link missed}, {@link ignored}. */
  values(): number[] {
    return [...this.counts, ...this.missed, this.ignored];
  }

  /** The matrix of such {@link values}. */
  static of(classes: number, values: readonly number[]): ConfusionMatrix {
    const matrix = new ConfusionMatrix(classes);
    matrix.counts.set(values.slice(0, classes * classes));
    matrix.missed.set(values.slice(classes * classes, -1));
    matrix.ignored = values[values.length - 1];
    return matrix;
  }

  /** Adds the counts of another matrix of as many classes. */
  merge(other: ConfusionMatrix): void {
    if (other.classes !== this.classes) {
      throw new RangeError(`cannot add ${other.classes} classes to ${this.classes}`);
    }
    for (let i = 0; i < this.counts.length; i++) this.counts[i] += other.counts[i];
    for (let i = 0; i < this.classes; i++) this.missed[i] += other.missed[i];
    this.ignored += other.ignored;
  }

  /** Pixels of class `label` that were predicted as `predicted`. */
  at(label: number, predicted: number): number {
    return this.counts[label * this.classes + predicted];
  }

  /** Labelled pixels counted. */
  get total(): number {
    return [...this.counts, ...this.missed].reduce((sum, count) => sum + count, 0);
  }

  /** The rows as plain numbers, for JSON. */
  toRows(): number[][] {
    return Array.from({ length: this.classes }, (_, i) =>
      Array.from(this.counts.subarray(i * this.classes, (i + 1) * this.classes)),
    );
  }
}
