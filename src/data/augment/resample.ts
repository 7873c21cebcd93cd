import type { Rgb } from '../classes.js';
import { ignoreId } from '../ignore.js';
import type { LabelImage, RgbImage } from '../image.js';
import type { Pair } from './augmentation.js';

/** Colour of padding. */
export const imagenetMean: Rgb = [124, 116, 104];

/** A window on a scaled, perhaps mirrored image: output pixel x shows source (x + offset + ½) / scale − ½. */
export interface View {
  height: number;
  width: number;
  scaleY: number;
  scaleX: number;
  offsetY: number;
  offsetX: number;
  flip: boolean;
}

/**
 * Bilinear for the image, nearest for the labels; outside: `mean` and 255.
 * @param into where to write the result, of the view's size; default: memory of its own, or the input as it is.
 */
export function resample(pair: Pair, view: View, mean: Rgb = imagenetMean, into?: Pair): Pair {
  const { image, labels } = pair;
  const same = view.scaleX === 1 && view.scaleY === 1;
  const whole = view.width === image.width && view.height === image.height;
  if (same && whole && view.offsetX === 0 && view.offsetY === 0) {
    if (view.flip) return flipPair(pair, into);
    if (!into) return pair;
    into.image.data.set(image.data);
    into.labels.data.set(labels.data);
    return into;
  }
  // Halve (thirds, …) by averaging first where bilinear sampling alone would skip pixels.
  const [by, bx] = [boxFactor(view.scaleY), boxFactor(view.scaleX)];
  const source = by > 1 || bx > 1 ? boxShrink(image, by, bx) : image;
  const ys = axis(view.height, view.offsetY, view.scaleY, labels.height, source.height, false);
  const xs = axis(view.width, view.offsetX, view.scaleX, labels.width, source.width, view.flip);
  const out = into ?? blankPair(view);
  sampleImage(source, ys, xs, mean, out.image.data);
  sampleLabels(labels, ys, xs, out.labels.data);
  return out;
}

/** Memory for a pair of this size. */
export function blankPair({ width, height }: { width: number; height: number }): Pair {
  return {
    image: { width, height, data: new Uint8Array(height * width * 3) },
    labels: { width, height, data: new Uint8Array(height * width) },
  };
}

/** Where the outputs along one axis read. */
interface Axis {
  /** Nearest source position for labels; −1 outside. */
  nearest: Int32Array;
  /** The two source positions of the bilinear sample, and the weight of the second in 1/256. */
  first: Int32Array;
  second: Int32Array;
  weight: Int32Array;
}

function axis(
  count: number,
  offset: number,
  scale: number,
  length: number,
  shrunk: number,
  mirror: boolean,
): Axis {
  const result: Axis = {
    nearest: new Int32Array(count),
    first: new Int32Array(count),
    second: new Int32Array(count),
    weight: new Int32Array(count),
  };
  for (let i = 0; i < count; i++) {
    const at = (mirror ? count - 1 - i : i) + offset + 0.5;
    const exact = at / scale;
    const near = Math.floor(exact);
    // The last fraction of a pixel of an image whose scaled size was rounded up is still image.
    result.nearest[i] = near < 0 || at > Math.round(length * scale) ? -1 : Math.min(near, length - 1);
    const s = Math.min(Math.max(exact * (shrunk / length) - 0.5, 0), shrunk - 1);
    const f = Math.floor(s);
    result.first[i] = f;
    result.second[i] = Math.min(f + 1, shrunk - 1);
    result.weight[i] = Math.round((s - f) * 256);
  }
  return result;
}

function sampleLabels(labels: LabelImage, ys: Axis, xs: Axis, out: Uint8Array): void {
  const [h, w] = [ys.nearest.length, xs.nearest.length];
  out.fill(ignoreId);
  for (let y = 0; y < h; y++) {
    if (ys.nearest[y] < 0) continue;
    const row = ys.nearest[y] * labels.width;
    for (let x = 0, o = y * w; x < w; x++, o++) {
      if (xs.nearest[x] >= 0) out[o] = labels.data[row + xs.nearest[x]];
    }
  }
}

function sampleImage(image: RgbImage, ys: Axis, xs: Axis, mean: Rgb, out: Uint8Array): void {
  const [h, w] = [ys.nearest.length, xs.nearest.length];
  const { data, width } = image;
  for (let y = 0; y < h; y++) {
    const inside = ys.nearest[y] >= 0;
    const top = ys.first[y] * width;
    const low = ys.second[y] * width;
    const v = ys.weight[y];
    for (let x = 0, o = y * w * 3; x < w; x++, o += 3) {
      if (!inside || xs.nearest[x] < 0) {
        out[o] = mean[0];
        out[o + 1] = mean[1];
        out[o + 2] = mean[2];
        continue;
      }
      const u = xs.weight[x];
      const a = 3 * (top + xs.first[x]);
      const b = 3 * (top + xs.second[x]);
      const c = 3 * (low + xs.first[x]);
      const d = 3 * (low + xs.second[x]);
      const wb = u * (256 - v);
      const wc = (256 - u) * v;
      const wd = u * v;
      const wa = 65536 - wb - wc - wd;
      out[o] = (data[a] * wa + data[b] * wb + data[c] * wc + data[d] * wd + 32768) >>> 16;
      out[o + 1] = (data[a + 1] * wa + data[b + 1] * wb + data[c + 1] * wc + data[d + 1] * wd + 32768) >>> 16;
      out[o + 2] = (data[a + 2] * wa + data[b + 2] * wb + data[c + 2] * wc + data[d + 2] * wd + 32768) >>> 16;
    }
  }
}

/** How many pixels an average takes together where a scale shrinks: bilinear sampling alone would skip some. */
export function boxFactor(scale: number): number {
  return scale < 0.75 ? Math.max(1, Math.round(1 / scale)) : 1;
}

/** Averages blocks of by × bx pixels; blocks at the far edges average what there is. */
export function boxShrink(image: RgbImage, by: number, bx: number): RgbImage {
  const [h, w] = [Math.ceil(image.height / by), Math.ceil(image.width / bx)];
  const data = new Uint8Array(h * w * 3);
  const sums = new Uint32Array(w * 3);
  for (let y = 0; y < h; y++) {
    sums.fill(0);
    const rows = Math.min(by, image.height - y * by);
    for (let r = 0; r < rows; r++) {
      let p = (y * by + r) * image.width * 3;
      for (let x = 0, s = 0; x < w; x++, s += 3) {
        const end = Math.min((x + 1) * bx, image.width);
        for (let c = x * bx; c < end; c++, p += 3) {
          sums[s] += image.data[p];
          sums[s + 1] += image.data[p + 1];
          sums[s + 2] += image.data[p + 2];
        }
      }
    }
    for (let x = 0, s = 0; x < w; x++) {
      const area = rows * (Math.min((x + 1) * bx, image.width) - x * bx);
      for (let k = 0; k < 3; k++, s++) data[y * w * 3 + s] = Math.round(sums[s] / area);
    }
  }
  return { width: w, height: h, data };
}

/** Mirrors left and right. @param into where to write the result, which may be the input; default: new memory. */
export function flipPair(pair: Pair, into = blankPair(pair.image)): Pair {
  const { width, height } = pair.image;
  const [from, to] = [pair.image.data, into.image.data];
  const [fromIds, toIds] = [pair.labels.data, into.labels.data];
  for (let y = 0; y < height; y++) {
    for (let p = y * width, q = p + width - 1; p <= q; p++, q--) {
      const id = fromIds[p];
      toIds[p] = fromIds[q];
      toIds[q] = id;
      for (let c = 0; c < 3; c++) {
        const value = from[3 * p + c];
        to[3 * p + c] = from[3 * q + c];
        to[3 * q + c] = value;
      }
    }
  }
  return into;
}

/** Nearest labels at a new size, without an image: those of {@link resizePair}. */
export function resizeLabels(labels: LabelImage, height: number, width: number): LabelImage {
  if (height === labels.height && width === labels.width) return labels;
  const ys = axis(height, 0, height / labels.height, labels.height, labels.height, false);
  const xs = axis(width, 0, width / labels.width, labels.width, labels.width, false);
  const data = new Uint8Array(height * width);
  sampleLabels(labels, ys, xs, data);
  return { height, width, data };
}

/** Bilinear image and nearest labels at a new size. */
export function resizePair(pair: Pair, height: number, width: number): Pair {
  const { image } = pair;
  return resample(pair, {
    height,
    width,
    scaleY: height / image.height,
    scaleX: width / image.width,
    offsetY: 0,
    offsetX: 0,
    flip: false,
  });
}
