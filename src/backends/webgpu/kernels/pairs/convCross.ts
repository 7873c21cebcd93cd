import type { Dispatch } from '../../shader.js';
import type { Candidate } from '../kernel.js';
import { repeat } from '../kernel.js';
import type { Cross } from './cross.js';
import { crossOf } from './cross.js';
import type { Pair } from './pair.js';
import { chainTensors, chainText } from './pair.js';

/** How a workgroup is cut. */
interface Tiling {
  /** Register tile of an invocation: pixels × quads of channels. */
  readonly pixels: number;
  readonly quads: number;
  /** Invocations along pixels and along channels. */
  readonly rows: number;
  readonly columns: number;
  /** Quads of channels whose weights go through workgroup memory at a time; 0: each invocation reads what it needs. */
  readonly depth: number;
}

/**
 * Register tiles that are offered: which is the fastest depends on the adapter's registers and caches. `staged`: input and
 * weights go through workgroup memory.
 */
const shapes = [
  { pixels: 4, quads: 2, staged: false },
  { pixels: 4, quads: 2, staged: true },
] as const;

/** Workgroup memory beyond which too few workgroups fit on a processor. */
const MOST_BYTES = 40960;
const MOST_INVOCATIONS = 160;
/** Invocations that run together on most adapters. */
const SUBGROUP = 32;

/**
 * A k×1 convolution and the 1×k convolution that alone reads it, as one dispatch: F and G of V modules. A workgroup
 * computes a stretch of pixels of the tensor between, keeps it in workgroup memory, and from it the result.
 *
 * Pixels are taken in an order in which those that the second convolution adds up are neighbours: of each row first the
 * columns `0, d, 2d, …`, then `1, d + 1, …`, with d its dilation. So a stretch of any dilation needs one more pixel per
 * tap at either end, and none beyond the image.
 */
export const convCross: Pair = (first, second, able) => {
  const cross = crossOf(first, second);
  if (!cross) return [];
  const most = {
    bytes: Math.min(able.workgroupBytes, MOST_BYTES),
    invocations: Math.min(able.invocations, MOST_INVOCATIONS),
  };
  return shapes.flatMap((shape): Candidate[] => {
    const tiling = tilingOf(cross, shape, most);
    if (!tiling) return [];
    const name = `${tiling.pixels * tiling.rows} pixels, ${shape.pixels}×${4 * shape.quads}${shape.staged ? ', staged' : ''}`;
    return [{ name, lower: () => [lowerCross(cross, tiling)] }];
  });
};

/** Quads from one pixel to the next in workgroup memory: odd, so that neighbours lie in different banks. */
const strideOf = ({ fromQuads, midQuads, toQuads }: Cross, staged: boolean): number =>
  Math.max(midQuads, toQuads, staged ? fromQuads : 0) | 1;

/** The depth that wastes the least of the last step. */
const depthOf = (fromQuads: number): number => {
  const waste = (depth: number) => Math.ceil(fromQuads / depth) * depth - fromQuads;
  return [4, 5, 3].reduce((best, depth) => (waste(depth) < waste(best) ? depth : best));
};

/** As many rows of invocations as fit, of those with the fewest idle lanes and pixels that are computed twice. */
function tilingOf(
  cross: Cross,
  { pixels, quads, staged }: (typeof shapes)[number],
  most: { readonly bytes: number; readonly invocations: number },
): Tiling | undefined {
  const columns = Math.ceil(Math.max(cross.midQuads, cross.toQuads) / quads);
  const depth = staged ? depthOf(cross.midQuads) : 0;
  const slotBytes = 16 * strideOf(cross, staged) + (staged ? 8 : 0);
  const bytes = most.bytes - 64 * depth * columns * quads;
  let best: Tiling | undefined;
  let bestUse = 0;
  for (let rows = 1; rows * columns <= most.invocations; rows++) {
    const slots = rows * pixels;
    if ((slots + 1) * slotBytes > bytes) break;
    const lanes = (rows * columns) / (SUBGROUP * Math.ceil((rows * columns) / SUBGROUP));
    const use = lanes * (1 - (2 * cross.reach) / slots);
    if (use <= 0 || use < bestUse) continue;
    bestUse = use;
    best = { pixels, quads, rows, columns, depth };
  }
  return best;
}

/** The row of what lies in no image, whatever is added to it. */
const NOWHERE = -(2 ** 24);

function lowerCross(cross: Cross, tiling: Tiling): Dispatch {
  const { down, along, reach, toQuads } = cross;
  const { pixels, quads, rows, columns, depth } = tiling;
  const [images, height, width] = cross.size;
  const slots = pixels * rows;
  const perGroup = slots - 2 * reach;
  const count = images * height * width;
  const workgroupSize = rows * columns;
  const stride = strideOf(cross, depth > 0);
  return {
    tensors: chainTensors(down, along),
    workgroupSize,
    workgroups: Math.ceil(count / perGroup),
    code: `${chainText(down, along)}
${placeText(width, along.attrs.dilation[1])}
// Quads of slot s from s · ${stride}; the last slot is of zeros.
var<workgroup> tile: array<vec4f, ${(slots + 1) * stride}>;
// Pixel and row of slot s of the tensor between.
fn sourceOf(group: u32, s: u32) -> vec2i {
  let q = i32(group * ${perGroup}u + s) - ${reach};
  let place = placeOf(u32(clamp(q, 0, ${count - 1})));
  return vec2i(i32(place.pixel), select(${NOWHERE}, i32(place.row % ${height}u), q >= 0 && q < ${count}));
}
// The first of the neighbours of result s among those of its row, and how many there are.
fn neighboursOf(group: u32, s: u32) -> vec2i {
  let q = group * ${perGroup}u + s;
  let place = placeOf(min(q, ${count - 1}u));
  return vec2i(i32(place.before) - ${reach}, select(0, i32(place.length), s < ${perGroup}u && q < ${count}u));
}
${
  depth > 0
    ? `var<workgroup> weights: array<vec4f, ${4 * depth * columns * quads}>;
var<workgroup> sources: array<vec2i, ${slots}>;`
    : ''
}
fn body(group: u32, lane: u32) {
  let column = lane % ${columns}u;
  let row = lane / ${columns}u;
  ${repeat(pixels, (r) => `let s${r} = row + ${r * rows}u;`)}
  ${repeat(pixels, (r) => repeat(quads, (q) => `var a${r}_${q} = vec4f(0f);`))}
  ${depth > 0 ? stagedText(cross, tiling) : directText(cross, tiling)}
  workgroupBarrier();
  ${storeText(tiling, stride, (sum) => sum)}
  workgroupBarrier();
  for (var i = lane; i < ${perGroup * toQuads}u; i += ${workgroupSize}u) {
    let s = i / ${toQuads}u;
    let q = group * ${perGroup}u + s;
    if (q < ${count}u) { finish(placeOf(q).pixel, i % ${toQuads}u * 4u, tile[s * ${stride}u + i % ${toQuads}u]); }
  }
}`,
  };
}

/** Each invocation's sums to its slots. */
const storeText = (
  { pixels, quads, columns }: Tiling,
  stride: number,
  value: (sum: string) => string,
  before = '',
): string =>
  repeat(
    quads,
    (q) => `if (column + ${q * columns}u < ${stride}u) {
    let quad = column + ${q * columns}u;
    ${before}
    ${repeat(pixels, (r) => `tile[s${r} * ${stride}u + quad] = ${value(`a${r}_${q}`)};`)}
  }`,
  );

/** From the sums of the first convolution to what the second reads, and zeros for neighbours beyond the image. */
function betweenText(cross: Cross, tiling: Tiling): string {
  const { pixels, quads, rows, columns, depth } = tiling;
  const stride = strideOf(cross, depth > 0);
  return `${storeText(tiling, stride, (sum) => `between(map, ${sum})`, 'let map = mapOf(quad * 4u);')}
  for (var i = lane; i < ${stride}u; i += ${rows * columns}u) { tile[${pixels * rows * stride}u + i] = vec4f(0f); }
  ${repeat(pixels, (r) => repeat(quads, (q) => `a${r}_${q} = vec4f(0f);`))}`;
}

/** Adds channels 4k … 4k + 3 of `x0`, `x1`, … times their weights; `weights`: WGSL of `w0`, `w1`, … of channel 4k + j. */
const productsText = ({ pixels, quads }: Tiling, weights: (j: number) => string): string =>
  repeat(
    4,
    (j) => `{
        ${weights(j)}
        ${repeat(pixels, (r) => repeat(quads, (q) => `a${r}_${q} = fma(vec4f(x${r}[${j}]), w${q}, a${r}_${q});`))}
      }`,
  );

/** WGSL of the slot that result s_r takes from at tap t of the second convolution. */
const slotText = (slots: number, stride: number, r: number, t: string): string =>
  `select(${slots * stride}u, (s${r} + ${t}) * ${stride}u, n${r}.x + i32(${t}) >= 0 && n${r}.x + i32(${t}) < n${r}.y)`;

/** Inputs and weights are read where they are used; only the tensor between lies in workgroup memory. */
function directText(cross: Cross, tiling: Tiling): string {
  const { down, along, fromQuads, midQuads, toQuads } = cross;
  const { pixels, quads, rows, columns, depth } = tiling;
  const [taps, , cin] = down.inputs.weight.shape;
  const [, alongTaps, cmid] = along.inputs.weight.shape;
  const [, height, width] = cross.size;
  const stride = strideOf(cross, depth > 0);
  const eachPixel = (text: (r: number) => string) => repeat(pixels, text);
  const channels = (limit: number) =>
    repeat(quads, (q) => `let c${q} = min(column + ${q * columns}u, ${limit - 1}u) * 4u;`);
  // Rows beyond the last meet zeros.
  const products = (weight: string, inputs: number) =>
    productsText(
      tiling,
      (
        j,
      ) => `let line = t * ${inputs}u + ${inputs % 4 === 0 ? `k * 4u + ${j}u` : `min(k * 4u + ${j}u, ${inputs - 1}u)`};
        ${repeat(quads, (q) => `let w${q} = ${weight}_q(line, c${q});`)}`,
    );
  return `${eachPixel((r) => `let from${r} = sourceOf(group, s${r});`)}
  for (var t = 0u; t < ${taps}u; t++) {
    let step = (i32(t) - ${(taps - 1) / 2}) * ${down.attrs.dilation[0]};
    ${channels(midQuads)}
    ${eachPixel(
      (r) =>
        `let p${r} = select(-1, from${r}.x + step * ${width}, from${r}.y + step >= 0 && from${r}.y + step < ${height});`,
    )}
    for (var k = 0u; k < ${fromQuads}u; k++) {
      ${eachPixel((r) => `var x${r} = vec4f(0f); if (p${r} >= 0) { x${r} = xhat_q(u32(p${r}), k * 4u); }`)}
      ${products('weight', cin)}
    }
  }
  ${betweenText(cross, tiling)}
  workgroupBarrier();
  ${eachPixel((r) => `let n${r} = neighboursOf(group, s${r});`)}
  for (var t = 0u; t < ${alongTaps}u; t++) {
    ${channels(toQuads)}
    ${eachPixel((r) => `let m${r} = ${slotText(pixels * rows, stride, r, 't')};`)}
    for (var k = 0u; k < ${midQuads}u; k++) {
      ${eachPixel((r) => `let x${r} = tile[m${r} + k];`)}
      ${products('weight2', cmid)}
    }
  }`;
}

/** Inputs and weights go through workgroup memory too, the weights of a few channels at a time. */
function stagedText(cross: Cross, tiling: Tiling): string {
  const { down, along, fromQuads, midQuads, toQuads } = cross;
  const { pixels, quads, rows, columns, depth } = tiling;
  const [taps, , cin] = down.inputs.weight.shape;
  const [, alongTaps, cmid] = along.inputs.weight.shape;
  const [, height, width] = cross.size;
  const stride = strideOf(cross, true);
  const slots = pixels * rows;
  const tileQuads = columns * quads;
  const each = (count: number, text: string) =>
    `for (var i = lane; i < ${count}u; i += ${rows * columns}u) { ${text} }`;
  const eachPixel = (text: (r: number) => string) => repeat(pixels, text);
  const weights = (name: string, t: string, inputs: number, outQuads: number) =>
    each(
      4 * depth * tileQuads,
      `let line = first * 4u + i / ${tileQuads}u;
        var v = vec4f(0f);
        if (line < ${inputs}u && i % ${tileQuads}u < ${outQuads}u) { v = ${name}_q(${t} * ${inputs}u + line, i % ${tileQuads}u * 4u); }
        weights[i] = v;`,
    );
  return `${each(slots, 'sources[i] = sourceOf(group, i);')}
  ${eachPixel((r) => `let n${r} = neighboursOf(group, s${r});`)}
  for (var t = 0u; t < ${taps + alongTaps}u; t++) {
    workgroupBarrier();
    if (t < ${taps}u) {
      let step = (i32(t) - ${(taps - 1) / 2}) * ${down.attrs.dilation[0]};
      ${each(
        slots * fromQuads,
        `let source = sources[i / ${fromQuads}u];
        var v = vec4f(0f);
        if (source.y + step >= 0 && source.y + step < ${height}) { v = xhat_q(u32(source.x + step * ${width}), i % ${fromQuads}u * 4u); }
        tile[i / ${fromQuads}u * ${stride}u + i % ${fromQuads}u] = v;`,
      )}
    }
    if (t == ${taps}u) { ${betweenText(cross, tiling)} }
    ${eachPixel((r) => `let m${r} = select(${slotText(slots, stride, r, `(t - ${taps}u)`)}, s${r} * ${stride}u, t < ${taps}u);`)}
    let depth = select(${midQuads}u, ${fromQuads}u, t < ${taps}u);
    for (var first = 0u; first < depth; first += ${depth}u) {
      workgroupBarrier();
      if (t < ${taps}u) {
        ${weights('weight', 't', cin, midQuads)}
      } else {
        ${weights('weight2', `(t - ${taps}u)`, cmid, toQuads)}
      }
      workgroupBarrier();
      for (var k = 0u; k < min(${depth}u, depth - first); k++) {
        ${eachPixel((r) => `let x${r} = tile[m${r} + first + k];`)}
        let w = k * ${4 * tileQuads}u + column;
        ${productsText(tiling, (j) => repeat(quads, (q) => `let w${q} = weights[w + ${j * tileQuads + q * columns}u];`))}
      }
    }
  }`;
}

/**
 * WGSL of `fn placeOf(q: u32) -> Place`: pixel q in the order of `convCross`: its row (of all images), its number, and how
 * many pixels of its row, a dilation apart, stand before it and are there in all.
 */
function placeText(width: number, dilation: number): string {
  // The first `longer` of the row's classes of columns have one more than the others.
  const longer = width % dilation;
  const length = Math.floor(width / dilation);
  const cut = longer * (length + 1);
  return `struct Place { row: u32, pixel: u32, before: u32, length: u32 }
fn placeOf(q: u32) -> Place {
  let row = q / ${width}u;
  let j = q % ${width}u;
  if (j < ${cut}u) {
    let before = j % ${length + 1}u;
    return Place(row, row * ${width}u + before * ${dilation}u + j / ${length + 1}u, before, ${length + 1}u);
  }
  let before = (j - ${cut}u) % ${Math.max(1, length)}u;
  let first = ${longer}u + (j - ${cut}u) / ${Math.max(1, length)}u;
  return Place(row, row * ${width}u + before * ${dilation}u + first, before, ${length}u);
}`;
}
