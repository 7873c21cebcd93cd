import type { TensorRef } from '../../../graph/planned.js';
import type { Corners, ResizeAttrs } from '../../../ops/resize.js';
import type { Dispatch } from '../shader.js';
import { prologueText } from './convSource.js';
import type { GpuKernel } from './kernel.js';
import { perQuad, WORKGROUP } from './kernel.js';

/**
 * WGSL of `fn NAME(o: u32) -> Sample`: the two source positions of output pixel o along one axis and the weight of the
 * second. Exact: `s`, which is `((2o + 1)·from − to) / 2·to` or, with corners aligned, `o·(from − 1)/(to − 1)`, stays a
 * ratio of integers until the weight is divided.
 */
export function sampleText(name: string, from: number, to: number, { alignCorners }: Corners): string {
  const divisor = alignCorners ? Math.max(1, to - 1) : 2 * to;
  return `
fn ${name}(o: u32) -> Sample {
  let s = ${alignCorners ? `o * ${from - 1}u` : `u32(max(0, i32((2u * o + 1u) * ${from}u) - ${to}))`};
  let first = s / ${divisor}u;
  return Sample(first, min(first + 1u, ${from - 1}u), f32(s % ${divisor}u) / ${divisor}f);
}`;
}

/** First output pixel whose first source is at least i, for i ≥ 1; 0 for i = 0. */
export function cellText(name: string, from: number, to: number, { alignCorners }: Corners): string {
  const steps = from - 1;
  const aligned = steps === 0 ? `${to}u` : `min((i * ${to - 1}u + ${steps - 1}u) / ${steps}u, ${to}u)`;
  const shifted = `min(((2u * i + 1u) * ${to}u + ${from - 1}u) / ${2 * from}u, ${to}u)`;
  return `
fn ${name}(i: u32) -> u32 {
  if (i == 0u) { return 0u; }
  return ${alignCorners ? aligned : shifted};
}`;
}

export const sampleStruct = 'struct Sample { first: u32, second: u32, weight: f32 }';

/** Source positions of both axes: `column(o)` and `row(o)`. */
export const samplesText = (from: TensorRef, { height, width, ...corners }: ResizeAttrs): string =>
  `${sampleStruct}${sampleText('row', from.shape[1], height, corners)}${sampleText('column', from.shape[2], width, corners)}`;

export const resizeBilinear: GpuKernel<'resizeBilinear'> = {
  lower: ({ inputs: { x }, outputs: { y }, attrs: { normalize, ...attrs } }) => {
    const { height, width } = attrs;
    const [, h, w] = x.shape;
    return [
      perQuad(
        y.shape,
        { x, y },
        `let sx = column(p % ${width}u);
  let sy = row(p / ${width}u % ${height}u);
  let image = p / ${height * width}u * ${h * w}u;
  let top = image + sy.first * ${w}u;
  let bottom = image + sy.second * ${w}u;
  let a = mix(xhat_q(top + sx.first, c), xhat_q(top + sx.second, c), sx.weight);
  let b = mix(xhat_q(bottom + sx.first, c), xhat_q(bottom + sx.second, c), sx.weight);
  y_sq(p, c, mix(a, b, sy.weight));`,
        `${samplesText(x, attrs)}${prologueText({ x }, normalize)}`,
      ),
    ];
  },
};

/** The first source position of output pixel `o`, as `sampleText` has it. */
export const sampledFrom = (o: number, from: number, to: number, { alignCorners }: Corners): number =>
  alignCorners
    ? Math.floor((o * (from - 1)) / Math.max(1, to - 1))
    : Math.floor(Math.max(0, (2 * o + 1) * from - to) / (2 * to));

/** True where each four neighbouring pixels of a word share their sources. */
export function wordsShareSources(from: number, to: number, corners: Corners): boolean {
  if (to % 4 !== 0) return false;
  for (let o = 0; o < to; o += 4) {
    if (sampledFrom(o, from, to, corners) !== sampledFrom(o + 3, from, to, corners)) return false;
  }
  return true;
}

/**
 * WGSL of `word: u32`, the labels of pixels x … x + 3 of a row with `sy` between the rows of logits that start at `top` and
 * `bottom`. Where the four share their sources, the logits of a class are read once and mixed vertically once.
 * `logit`: WGSL of class c of a pixel.
 */
export function wordText(classes: number, shared: boolean, logit: (pixel: string) => string): string {
  const mixed = (which: 'first' | 'second') => {
    const one = (k: number) =>
      `mix(${logit(`top + s${k}.${which}`)}, ${logit(`bottom + s${k}.${which}`)}, sy.weight)`;
    return `vec4f(${shared ? one(0) : [0, 1, 2, 3].map(one).join(', ')})`;
  };
  return `
  let s0 = column(x);
  let s1 = column(x + 1u);
  let s2 = column(x + 2u);
  let s3 = column(x + 3u);
  let weight = vec4f(s0.weight, s1.weight, s2.weight, s3.weight);
  var best = vec4f(-3.4e38f);
  var label = vec4u(0u);
  for (var c = 0u; c < ${classes}u; c++) {
    let v = mix(${mixed('first')}, ${mixed('second')}, weight);
    label = select(label, vec4u(c), v > best);
    best = max(best, v);
  }
  let word = label.x | (label.y << 8u) | (label.z << 16u) | (label.w << 24u);`;
}

export const resizeArgmax: GpuKernel<'resizeArgmax'> = {
  lower: ({ inputs: { x }, outputs: { labels }, attrs, label }): Dispatch[] => {
    const { height, width } = attrs;
    const [n, h, w, classes] = x.shape;
    if (labels.offset % 4 !== 0) throw new Error(`${label}: labels that do not start at a word`);
    if (labels.pixelStride !== 1) throw new Error(`${label}: labels must be dense`);
    const count = n * height * width;
    const words = Math.ceil(count / 4);
    const place = `
  let x = p % ${width}u;
  let sy = row(p / ${width}u % ${height}u);
  let image = p / ${height * width}u * ${h * w}u;
  let top = image + sy.first * ${w}u;
  let bottom = image + sy.second * ${w}u;`;
    const general = `
  var word = ${count % 4 === 0 ? '0u' : 'labels_word(i)'};
  for (var k = 0u; k < 4u; k++) {
    let p = i * 4u + k;
    if (p >= ${count}u) { break; }
    ${place}
    let sx = column(x);
    var best = -3.4e38f;
    var label = 0u;
    for (var c = 0u; c < ${classes}u; c++) {
      let left = mix(x_ld((top + sx.first) * ${x.pixelStride}u + c), x_ld((bottom + sx.first) * ${x.pixelStride}u + c), sy.weight);
      let right = mix(x_ld((top + sx.second) * ${x.pixelStride}u + c), x_ld((bottom + sx.second) * ${x.pixelStride}u + c), sy.weight);
      let v = mix(left, right, sx.weight);
      if (v > best) { best = v; label = c; }
    }
    word = insertBits(word, label, k * 8u, 8u);
  }
  labels_sword(i, word);`;
    return [
      {
        tensors: { x, labels },
        workgroupSize: WORKGROUP,
        workgroups: Math.ceil(words / WORKGROUP),
        code: `${samplesText(x, attrs)}
fn body(group: u32, lane: u32) {
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${words}u) { return; }
  ${
    wordsShareSources(w, width, attrs)
      ? `let p = i * 4u;${place}${wordText(classes, true, (pixel) => `x_ld((${pixel}) * ${x.pixelStride}u + c)`)}
  labels_sword(i, word);`
      : general
  }
}`,
      },
    ];
  },
};
