import type { LabelImage } from '../image.js';
import { Rng } from '../rng.js';

/** What teachers think of a picture: a distribution over the classes per cell of a grid that is laid over it evenly. */
export interface SoftLabels {
  readonly height: number;
  readonly width: number;
  readonly classes: number;
  /** height × width × classes; what a class has of the sum of its cell is its probability. No cell is all zero. */
  readonly data: Uint8Array;
}

/** Pixels of a picture a side of a cell. The logits of a picture that is shown at twice its side have as many. */
const cell = 4;

/** The grid of soft labels of a picture. */
export const softSize = ({ height, width }: { height: number; width: number }) => ({
  height: Math.ceil(height / cell),
  width: Math.ceil(width / cell),
});

/**
 * Replaces labels by classes drawn from the soft labels, each pixel on its own with probability `share`; "ignore" too.
 * The expected gradient of the cross-entropy is then that of `(1 − share)·CE(labels) + share·CE(soft)`, with soft
 * labels interpolated bilinearly between the centres of cells (Hinton et al. 2015, Distilling the Knowledge in a Neural
 * Network, at temperature 1): so every loss, backend and way of training has distillation, and a step costs nothing.
 * The interpolation is drawn too: one of four cells by its weight, then a class of that cell.
 */
export function drawLabelsInPlace(labels: LabelImage, soft: SoftLabels, share: number, rng: Rng): void {
  const { height, width, data } = labels;
  const { classes, data: parts } = soft;
  const rows = neighbours(height, soft.height);
  const columns = neighbours(width, soft.width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = rng.next();
      if (u >= share) continue;
      const place = rng.uint32();
      const row = (place >>> 16) / 65536 < rows.weight[y] ? rows.second[y] : rows.first[y];
      const column = (place & 65535) / 65536 < columns.weight[x] ? columns.second[x] : columns.first[x];
      const start = (row * soft.width + column) * classes;
      let sum = 0;
      for (let c = 0; c < classes; c++) sum += parts[start + c];
      // Given that it is below the share, u / share is uniform again.
      let left = (u / share) * sum;
      let drawn = 0;
      while (drawn < classes - 1 && left >= parts[start + drawn]) left -= parts[start + drawn++];
      data[y * width + x] = drawn;
    }
  }
}

/** The stream of random numbers of a sample's labels, apart from that of its other changes, see `sampleRng`. */
export const softRng = (seed: number, epoch: number, index: number): Rng =>
  Rng.of(0x736f6674, seed, epoch, index);

/** The cells about each pixel along one side, and the weight of the second. */
function neighbours(pixels: number, cells: number) {
  const first = new Int32Array(pixels);
  const second = new Int32Array(pixels);
  const weight = new Float64Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const at = Math.max(0, ((i + 0.5) * cells) / pixels - 0.5);
    first[i] = Math.min(cells - 1, Math.floor(at));
    second[i] = Math.min(cells - 1, first[i] + 1);
    weight[i] = at - first[i];
  }
  return { first, second, weight };
}
