import { UserError } from '../errors.js';
import { ignoreId, type Rgb } from './classes.js';
import type { LabelImage, RgbImage } from './image.js';
import { Rng } from './rng.js';

/** An image with its labels as train ids, of equal size. */
export interface Pair {
  image: RgbImage;
  labels: LabelImage;
}

/** The size a sample gets: its own, a crop (padded where the image is smaller), or resized. */
export type SizePolicy =
  | 'full'
  | { crop: readonly [h: number, w: number] }
  | { resize: readonly [h: number, w: number] };

/** Strength of colour jitter: each factor is drawn from [1 − amount, 1 + amount]. */
export interface Jitter {
  brightness: number;
  contrast: number;
  saturation: number;
}

/** Random changes of training samples. */
export interface Augmentation {
  /** Mirror half of the samples. Default true. */
  flip?: boolean;
  /** Range of a random zoom, such as [0.75, 1.75]. Default none. The output keeps its size. */
  scale?: readonly [low: number, high: number];
  /** One amount for brightness, contrast and saturation, or one each; 0 to 1. Default none. */
  jitter?: number | Jitter;
  /** Other exposure: v → v^γ on [0, 1], log γ uniform in ± log(1 + gamma); 0 to 4. Default none. */
  gamma?: number;
  /** Other colour of light: red and blue each times a factor of [1 − balance, 1 + balance]; 0 to 1. Default none. */
  balance?: number;
  /** Colour of padding. Default: the ImageNet mean. */
  mean?: Rgb;
}

const imagenetMean: Rgb = [124, 116, 104];

/**
 * @throws UserError for amounts out of range; `flag` names the setting in the message.
 */
export function checkAugmentation(augment: Augmentation): void {
  const { scale } = augment;
  if (scale && !(scale[0] > 0.05 && scale[0] <= scale[1] && scale[1] <= 20)) {
    throw new UserError(
      `augment.scale is [${scale.join(', ')}]; expected [low, high] with 0.05 < low ≤ high ≤ 20`,
    );
  }
  for (const [name, value] of Object.entries(jitterOf(augment.jitter))) {
    if (!(value >= 0 && value <= 1))
      throw new UserError(`augment.jitter ${name} is ${value}; expected 0 to 1`);
  }
  const { gamma = 0, balance = 0 } = augment;
  if (!(gamma >= 0 && gamma <= 4)) throw new UserError(`augment.gamma is ${gamma}; expected 0 to 4`);
  if (!(balance >= 0 && balance <= 1)) throw new UserError(`augment.balance is ${balance}; expected 0 to 1`);
}

/**
 * The random stream of one sample in one epoch. It depends on nothing else, so neither the order of work nor
 * the number of workers nor a resumed run changes a sample.
 * @param index position of the sample in its sorted split.
 */
export function sampleRng(seed: number, epoch: number, index: number): Rng {
  return Rng.of(0x617567, seed, epoch, index);
}

/** The size that {@link prepare} gives an image. */
export function preparedSize(
  image: { height: number; width: number },
  size: SizePolicy,
): { height: number; width: number } {
  if (size === 'full') return { height: image.height, width: image.width };
  const [height, width] = 'crop' in size ? size.crop : size.resize;
  return { height, width };
}

/**
 * Applies the size policy and, with `augment`, random flip, zoom, placement and colour. Without `augment` the
 * result is fixed: crops are taken from the middle. Does not change its input, but may return it.
 * @param into where to write the result, of the prepared size; default: memory of its own. Without a zoom, and with
 * size `full`, image or labels or both may be the input's.
 */
export function prepare(
  pair: Pair,
  size: SizePolicy,
  augment: Augmentation | undefined,
  rng: Rng,
  into?: Pair,
): Pair {
  const { width, height } = pair.image;
  const prepared = preparedSize(pair.image, size);
  const target = [prepared.height, prepared.width];
  const base = size !== 'full' && 'resize' in size ? [target[0] / height, target[1] / width] : [1, 1];
  // All numbers are drawn first and always, so that switching one change off leaves the others as they were.
  const [uFlip, uScale, uX, uY] = [rng.next(), rng.next(), rng.next(), rng.next()];
  const factors = [rng.next(), rng.next(), rng.next()];
  const light = [rng.next(), rng.next(), rng.next()];
  const flip = augment !== undefined && augment.flip !== false && uFlip < 0.5;
  const [low, high] = augment?.scale ?? [1, 1];
  // Uniform in the logarithm: shrinking by 2 is as likely as enlarging by 2.
  const zoom = low * (high / low) ** uScale;
  const view: View = {
    height: target[0],
    width: target[1],
    scaleY: base[0] * zoom,
    scaleX: base[1] * zoom,
    offsetY: offset(height * base[0] * zoom, target[0], augment ? uY : 0.5),
    offsetX: offset(width * base[1] * zoom, target[1], augment ? uX : 0.5),
    flip,
  };
  const out = resample(pair, view, augment?.mean ?? imagenetMean, into);
  const colour = drawColour(augment, factors, light);
  if (!colour) return out;
  const image =
    !into && out.image === pair.image ? { ...out.image, data: Uint8Array.from(out.image.data) } : out.image;
  recolourInPlace(image, colour);
  return { image, labels: out.labels };
}

/** The change of colour of a sample from six uniform numbers; undefined where none is asked for. */
function drawColour(
  augment: Augmentation | undefined,
  factors: readonly number[],
  light: readonly number[],
): Colour | undefined {
  const amounts = jitterOf(augment?.jitter);
  const { gamma = 0, balance = 0 } = augment ?? {};
  if (amounts.brightness + amounts.contrast + amounts.saturation + gamma + balance === 0) return undefined;
  const within = (amount: number, u: number) => 1 + amount * (2 * u - 1);
  return {
    brightness: within(amounts.brightness, factors[0]),
    contrast: within(amounts.contrast, factors[1]),
    saturation: within(amounts.saturation, factors[2]),
    gamma: (1 + gamma) ** (2 * light[0] - 1),
    gains: [within(balance, light[1]), 1, within(balance, light[2])],
  };
}

/** Where the window starts in the scaled image; negative where the image is smaller and gets padded. */
function offset(scaled: number, target: number, u: number): number {
  const room = Math.round(scaled) - target;
  return room >= 0 ? Math.floor(u * (room + 1 - 1e-9)) : -Math.floor(u * (1 - room - 1e-9));
}

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

function blankPair({ width, height }: { width: number; height: number }): Pair {
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

function boxFactor(scale: number): number {
  return scale < 0.75 ? Math.max(1, Math.round(1 / scale)) : 1;
}

/** Averages blocks of by × bx pixels; blocks at the far edges average what there is. */
function boxShrink(image: RgbImage, by: number, bx: number): RgbImage {
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

/** One change of colour; the factors 1 change nothing. */
export interface Colour {
  brightness: number;
  contrast: number;
  saturation: number;
  gamma: number;
  gains: readonly [red: number, green: number, blue: number];
}

/**
 * v → w = gain · 255 (v / 255)^γ per channel; w → clamp(m + contrast · (brightness · w − m)) with m the changed image's mean
 * grey times brightness; then rgb → grey + saturation · (rgb − grey), grey = 0.299 r + 0.587 g + 0.114 b.
 */
export function recolourInPlace(image: RgbImage, colour: Colour): void {
  const { data } = image;
  const { brightness, contrast, saturation, gamma, gains } = colour;
  const lit = gains.map((gain) =>
    Float32Array.from({ length: 256 }, (_, v) => brightness * gain * 255 * (v / 255) ** gamma),
  );
  const counts = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)];
  for (let i = 0; i < data.length; i += 3) {
    counts[0][data[i]]++;
    counts[1][data[i + 1]]++;
    counts[2][data[i + 2]]++;
  }
  let sum = 0;
  for (const [k, share] of [0.299, 0.587, 0.114].entries()) {
    for (let v = 0; v < 256; v++) sum += share * counts[k][v] * lit[k][v];
  }
  const mean = sum / (data.length / 3);
  const [reds, greens, blues] = lit.map((w) =>
    Uint8ClampedArray.from(w, (value) => mean + contrast * (value - mean)),
  );
  const out = new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
  const s = Math.round(saturation * 256);
  for (let i = 0; i < data.length; i += 3) {
    const r = reds[data[i]];
    const g = greens[data[i + 1]];
    const b = blues[data[i + 2]];
    const rest = ((77 * r + 150 * g + 29 * b) * (256 - s)) >> 8;
    out[i] = (rest + r * s + 128) >> 8;
    out[i + 1] = (rest + g * s + 128) >> 8;
    out[i + 2] = (rest + b * s + 128) >> 8;
  }
}

function jitterOf(jitter: Augmentation['jitter']): Jitter {
  if (typeof jitter === 'number') return { brightness: jitter, contrast: jitter, saturation: jitter };
  return jitter ?? { brightness: 0, contrast: 0, saturation: 0 };
}
