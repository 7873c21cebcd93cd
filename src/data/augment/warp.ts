import type { Rgb } from '../classes.js';
import { ignoreId } from '../ignore.js';
import type { Rng } from '../rng.js';
import type { Augmentation, Pair } from './augmentation.js';
import { blankPair, boxFactor, boxShrink, imagenetMean, type View } from './resample.js';

/** A projective map of the plane, rows first: (x, y) ↦ ((m0 x + m1 y + m2) / w, (m3 x + m4 y + m5) / w), w = m6 x + m7 y + 1. */
export type Projection = readonly [number, number, number, number, number, number, number, number];

/**
 * Where the pixels of a turned and tilted view lie in the view as it was, both in [0, width] × [0, height]; undefined
 * where nothing is asked for. The rotation is about the middle; each corner then moves by up to `perspective` of the sides.
 */
export function drawProjection(
  { rotate = 0, perspective = 0 }: Pick<Augmentation, 'rotate' | 'perspective'>,
  { height, width }: { height: number; width: number },
  rng: Rng,
): Projection | undefined {
  if (rotate === 0 && perspective === 0) return undefined;
  const angle = (rotate * (2 * rng.next() - 1) * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const corners = [
    [0, 0],
    [width, 0],
    [width, height],
    [0, height],
  ].map(([x, y]) => {
    const [dx, dy] = [x - width / 2, y - height / 2];
    return [
      width / 2 + cos * dx - sin * dy + perspective * width * (2 * rng.next() - 1),
      height / 2 + sin * dx + cos * dy + perspective * height * (2 * rng.next() - 1),
    ] as const;
  });
  return projectionTo(corners, height, width);
}

/**
 * The projective map that takes the rectangle [0, width] × [0, height] to four corners, given clockwise from the top
 * left (Heckbert 1989, Fundamentals of Texture Mapping, §2.2.3).
 */
export function projectionTo(
  corners: readonly (readonly [number, number])[],
  height: number,
  width: number,
): Projection {
  const [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = corners;
  const [dx1, dx2, dx3] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, dy3] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const det = dx1 * dy2 - dx2 * dy1;
  const g = (dx3 * dy2 - dx2 * dy3) / det;
  const h = (dx1 * dy3 - dx3 * dy1) / det;
  return [
    (x1 - x0 + g * x1) / width,
    (x3 - x0 + h * x3) / height,
    x0,
    (y1 - y0 + g * y1) / width,
    (y3 - y0 + h * y3) / height,
    y0,
    g / width,
    h / height,
  ];
}

/** As `resample`, seen through a projection: pixel (x + ½, y + ½) shows what the view has at its image. */
export function warp(pair: Pair, view: View, m: Projection, mean: Rgb = imagenetMean, into?: Pair): Pair {
  const { labels } = pair;
  const [by, bx] = [boxFactor(view.scaleY), boxFactor(view.scaleX)];
  const image = by > 1 || bx > 1 ? boxShrink(pair.image, by, bx) : pair.image;
  const out = into ?? blankPair(view);
  const [shrinkY, shrinkX] = [image.height / labels.height, image.width / labels.width];
  const { data } = image;
  const { offsetX, offsetY, scaleX, scaleY, flip, height, width } = view;
  const rgb = out.image.data;
  for (let y = 0, o = 0; y < height; y++) {
    const py = y + 0.5;
    for (let x = 0; x < width; x++, o++) {
      const px = flip ? width - x - 0.5 : x + 0.5;
      const w = 1 / (m[6] * px + m[7] * py + 1);
      const sx = ((m[0] * px + m[1] * py + m[2]) * w + offsetX) / scaleX;
      const sy = ((m[3] * px + m[4] * py + m[5]) * w + offsetY) / scaleY;
      if (!(sx >= 0 && sy >= 0 && sx < labels.width && sy < labels.height)) {
        for (let k = 0; k < 3; k++) rgb[3 * o + k] = mean[k];
        out.labels.data[o] = ignoreId;
        continue;
      }
      out.labels.data[o] = labels.data[Math.floor(sy) * labels.width + Math.floor(sx)];
      const u = Math.min(Math.max(sx * shrinkX - 0.5, 0), image.width - 1);
      const v = Math.min(Math.max(sy * shrinkY - 0.5, 0), image.height - 1);
      const left = Math.floor(u);
      const top = Math.floor(v);
      const fu = u - left;
      const fv = v - top;
      const right = Math.min(left + 1, image.width - 1);
      const upper = top * image.width;
      const lower = Math.min(top + 1, image.height - 1) * image.width;
      const a = 3 * (upper + left);
      const b = 3 * (upper + right);
      const c = 3 * (lower + left);
      const d = 3 * (lower + right);
      for (let k = 0; k < 3; k++) {
        const first = data[a + k] + fu * (data[b + k] - data[a + k]);
        const second = data[c + k] + fu * (data[d + k] - data[c + k]);
        rgb[3 * o + k] = (first + fv * (second - first) + 0.5) | 0;
      }
    }
  }
  return out;
}
