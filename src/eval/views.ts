import type { CoarseLogits } from './predictor.js';

/** Coarse logits of a part of an image, as the network saw it. */
export interface View {
  readonly logits: CoarseLogits;
  /** The part of the image it shows, in pixels. */
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  /** Whether the network saw it mirrored left to right. */
  readonly flipped: boolean;
}

/**
 * The class of each pixel by the mean of the views' class probabilities: `argmax_c Σ softmax(z)[c]`, z each view's
 * logits resized bilinearly to the part it shows. Every pixel must be in some view.
 * Needs memory for one row of probabilities only.
 * @param confidence takes the mean probability of each pixel's class, 0 to 255.
 */
export function fuseViews(
  views: readonly View[],
  height: number,
  width: number,
  confidence?: Uint8Array,
): Uint8Array {
  const { classes } = views[0].logits;
  const labels = new Uint8Array(height * width);
  const sums = new Float64Array(width * classes);
  const columns = views.map((view) =>
    samples(view.width, view.logits.width, view.flipped, view.logits.alignCorners),
  );
  const rows = views.map((view) => samples(view.height, view.logits.height, false, view.logits.alignCorners));
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (const [i, view] of views.entries()) {
      if (y < view.top || y >= view.top + view.height) continue;
      addRow(sums, view, y - view.top, rows[i], columns[i]);
    }
    for (let x = 0; x < width; x++) {
      let best = 0;
      for (let c = 1; c < classes; c++) if (sums[x * classes + c] > sums[x * classes + best]) best = c;
      labels[y * width + x] = best;
      if (!confidence) continue;
      // The probabilities of a view sum to one, and views may cover a pixel in different numbers.
      let total = 0;
      for (let c = 0; c < classes; c++) total += sums[x * classes + c];
      confidence[y * width + x] = Math.round((255 * sums[x * classes + best]) / total);
    }
  }
  return labels;
}

/**
 * The mean of the views' class probabilities at the centres of a grid that is laid over the image, each view being of
 * all of it: `height` × `width` × classes, in 255ths.
 */
export function meanProbabilities(
  views: readonly Pick<View, 'logits' | 'flipped'>[],
  height: number,
  width: number,
): Uint8Array {
  const { classes } = views[0].logits;
  const all = views.map((view) => ({ ...view, top: 0, left: 0, height, width }));
  const columns = all.map(({ logits, flipped }) =>
    samples(width, logits.width, flipped, logits.alignCorners),
  );
  const rows = all.map(({ logits }) => samples(height, logits.height, false, logits.alignCorners));
  const sums = new Float64Array(width * classes);
  const result = new Uint8Array(height * width * classes);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (const [i, view] of all.entries()) addRow(sums, view, y, rows[i], columns[i]);
    for (const [k, sum] of sums.entries()) {
      result[y * width * classes + k] = Math.round((255 * sum) / views.length);
    }
  }
  return result;
}

/** Where each output position samples: two inputs and the weight of the second. */
interface Samples {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly weight: Float64Array;
}

function samples(out: number, length: number, mirrored: boolean, alignCorners = false): Samples {
  const result = {
    first: new Int32Array(out),
    second: new Int32Array(out),
    weight: new Float64Array(out),
  };
  for (let i = 0; i < out; i++) {
    const place = mirrored ? out - 1 - i : i;
    const s = alignCorners
      ? (place * (length - 1)) / Math.max(1, out - 1)
      : Math.max(0, (place + 0.5) * (length / out) - 0.5);
    result.first[i] = Math.floor(s);
    result.second[i] = Math.min(result.first[i] + 1, length - 1);
    result.weight[i] = s - result.first[i];
  }
  return result;
}

function addRow(sums: Float64Array, view: View, y: number, rows: Samples, columns: Samples): void {
  const { data, width: coarse, classes } = view.logits;
  const top = rows.first[y] * coarse;
  const bottom = rows.second[y] * coarse;
  const v = rows.weight[y];
  const z = new Float64Array(classes);
  for (let x = 0; x < view.width; x++) {
    const u = columns.weight[x];
    const left = columns.first[x];
    const right = columns.second[x];
    let highest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) {
      const upper = data[(top + left) * classes + c] * (1 - u) + data[(top + right) * classes + c] * u;
      const lower = data[(bottom + left) * classes + c] * (1 - u) + data[(bottom + right) * classes + c] * u;
      z[c] = upper * (1 - v) + lower * v;
      if (z[c] > highest) highest = z[c];
    }
    let total = 0;
    for (let c = 0; c < classes; c++) {
      z[c] = Math.exp(z[c] - highest);
      total += z[c];
    }
    const at = (view.left + x) * classes;
    for (let c = 0; c < classes; c++) sums[at + c] += z[c] / total;
  }
}
