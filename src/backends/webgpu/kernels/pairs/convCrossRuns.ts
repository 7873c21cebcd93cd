import type { Dispatch } from '../../shader.js';
import type { Candidate } from '../kernel.js';
import { repeat } from '../kernel.js';
import type { Cross } from './cross.js';
import { crossOf } from './cross.js';
import type { Pair } from './pair.js';
import { chainTensors, chainText } from './pair.js';

/** Pixels that an invocation computes: of the first convolution `ROWS` below each other, of the second all in a row. */
const PIXELS = 8;
const ROWS = 4;

/** Quads of channels whose weights are in workgroup memory at a time. */
const DEPTH = 2;
/** Quads from one pixel of the input to the next there: odd, so that neighbours lie in different banks. */
const FROM_STRIDE = DEPTH | 1;

/** How a workgroup is cut. */
interface Cut {
  /** Quads of channels that an invocation computes. */
  readonly quads: number;
  /** Columns of the tile: pixels of the tensor between in each of its rows. */
  readonly width: number;
}

/** Cuts that are offered; tiles are as wide as fits, and no wider than this. */
const cuts: readonly Cut[] = [
  { quads: 1, width: 32 },
  { quads: 1, width: 64 },
  { quads: 2, width: 32 },
];

const MOST_INVOCATIONS = 320;

/**
 * F and G of V modules as one dispatch, over runs of pixels that lie as far apart as the taps, so that an invocation uses each
 * loaded value for all taps. A workgroup computes `ROWS` rows of the tensor between, a dilation of the first convolution
 * apart, and from them as many of the result. Columns are in the order of `convCross`, with zeros behind each class of them,
 * so that neighbours of the last are none of the next. Inputs and weights of a few channels at a time go through workgroup
 * memory; the next are loaded while it multiplies.
 */
export const convCrossRuns: Pair = (first, second, able) => {
  const cross = crossOf(first, second);
  if (!cross) return [];
  const invocations = Math.min(able.invocations, MOST_INVOCATIONS);
  const widths = new Set<string>();
  return cuts.flatMap(({ quads, width: widest }): Candidate[] => {
    let width = widest;
    const fits = () =>
      16 * (tileQuads(cross, width) + weightQuads(cross, quads)) <= able.workgroupBytes &&
      (width / 2) * columnsOf(cross, quads) <= invocations;
    while (width > 0 && !fits()) width -= PIXELS;
    const name = `runs, ${ROWS}×${width} pixels by ${4 * quads}`;
    // Beyond four pixels in five computed once, it is no use.
    if (width < 10 * cross.reach || (width / 2) * columnsOf(cross, quads) < 32 || widths.has(name)) return [];
    widths.add(name);
    return [{ name, lower: () => [lowerRuns(cross, { quads, width })] }];
  });
};

const columnsOf = ({ midQuads, toQuads }: Cross, quads: number): number =>
  Math.ceil(Math.max(midQuads, toQuads) / quads);
/** Quads from one pixel to the next in workgroup memory: odd, so that neighbours lie in different banks. */
const strideOf = ({ midQuads, toQuads }: Cross): number => Math.max(midQuads, toQuads) | 1;
/**
 * Quads of the tile: one more for each run, so that runs begin in different banks, and what the last reads beyond. First it
 * holds `DEPTH` quads of the input.
 */
const tileQuads = (cross: Cross, width: number): number =>
  Math.max(
    (ROWS * width + 2 * cross.reach) * strideOf(cross) + Math.ceil((ROWS * width) / PIXELS) + 1,
    (ROWS + cross.down.inputs.weight.shape[0] - 1) * width * FROM_STRIDE,
  );
/** Quads of weights of `DEPTH` quads of channels, of the convolution with more taps. */
const weightQuads = (cross: Cross, quads: number): number =>
  Math.max(cross.down.inputs.weight.shape[0], cross.along.inputs.weight.shape[1]) *
  4 *
  DEPTH *
  quads *
  columnsOf(cross, quads);

function lowerRuns(cross: Cross, { quads, width }: Cut): Dispatch {
  const { down, along, reach, fromQuads, midQuads, toQuads } = cross;
  const [images, height, imageWidth] = cross.size;
  const [taps, , cin] = down.inputs.weight.shape;
  const [, alongTaps, cmid] = along.inputs.weight.shape;
  const [step] = down.attrs.dilation;
  const [, dilation] = along.attrs.dilation;
  const columns = columnsOf(cross, quads);
  const runs = width / PIXELS;
  const workgroupSize = ROWS * runs * columns;
  const perGroup = width - 2 * reach;
  const stride = strideOf(cross);
  // Of a row: columns of a class and the zeros behind them; all classes.
  const spaced = Math.ceil(imageWidth / dilation) + reach;
  const line = spaced * dilation;
  const segments = step * Math.ceil(Math.ceil(height / step) / ROWS);
  const count = images * segments * line;
  const wide = PIXELS / ROWS;
  const each = (text: (i: number, q: number) => string) =>
    repeat(PIXELS, (i) => repeat(quads, (q) => text(i, q)));
  // Quads of one line of the weights.
  const row = quads * columns;
  const slot = (s: string) => `(${s}) * ${stride}u + (${s}) / ${PIXELS}u`;
  /** Pixel i takes `x{of(i, t)}` at tap t; k: of the quads in workgroup memory. */
  const products = (tapCount: number, of: (i: number, t: number) => string) =>
    repeat(
      4,
      (j) => `{
        let at = (k * 4u + ${j}u) * ${row}u + column;
        ${repeat(tapCount, (t) => repeat(quads, (q) => `let w${t}_${q} = weights[at + ${t * 4 * DEPTH * row + q * columns}u];`))}
        ${repeat(tapCount, (t) => each((i, q) => `a${i}_${q} = fma(vec4f(x${of(i, t)}[${j}]), w${t}_${q}, a${i}_${q});`))}
      }`,
    );
  /** Loads quads from `next` on, multiplies those before, and then stores what was loaded. */
  const pipeline = (depth: number, load: string, multiply: string, store: string) => `
    for (var next = 0u; next < ${depth + DEPTH}u; next += ${DEPTH}u) {
      if (next < ${depth}u) { ${load} }
      if (next > 0u) {
        for (var k = 0u; k < min(${DEPTH}u, ${depth + DEPTH}u - next); k++) { ${multiply} }
      }
      workgroupBarrier();
      if (next < ${depth}u) { ${store} }
      workgroupBarrier();
    }`;
  const element = (l: number) => `(lane + ${l * workgroupSize}u)`;
  const loadWeights = (name: string, tapCount: number, inputs: number, outQuads: number) =>
    repeat(
      Math.ceil((tapCount * 4 * DEPTH * row) / workgroupSize),
      (l) => `{
      let t = ${element(l)} / ${4 * DEPTH * row}u;
      let c = next * 4u + ${element(l)} / ${row}u % ${4 * DEPTH}u;
      nw${l} = vec4f(0f);
      if (t < ${tapCount}u && c < ${inputs}u && ${element(l)} % ${row}u < ${outQuads}u) { nw${l} = ${name}_q(t * ${inputs}u + c, ${element(l)} % ${row}u * 4u); }
    }`,
    );
  const storeWeights = (tapCount: number) =>
    repeat(
      Math.ceil((tapCount * 4 * DEPTH * row) / workgroupSize),
      (l) => `if (${element(l)} < ${tapCount * 4 * DEPTH * row}u) { weights[${element(l)}] = nw${l}; }`,
    );
  const store = (value: (i: number, q: number) => string, at: (i: number) => string, before = '') =>
    repeat(
      quads,
      (q) => `if (column + ${q * columns}u < ${stride}u) {
      let quad = column + ${q * columns}u;
      ${before}
      ${repeat(PIXELS, (i) => `tile[${at(i)} + quad] = ${value(i, q)};`)}
    }`,
    );
  const sources = ROWS + taps - 1;
  const half = (taps - 1) / 2;
  const fromSlots = sources * width * DEPTH;
  const fromLoads = Math.ceil(fromSlots / workgroupSize);
  const weightLoads = Math.ceil((Math.max(taps, alongTaps) * 4 * DEPTH * row) / workgroupSize);
  return {
    tensors: chainTensors(down, along),
    workgroupSize,
    workgroups: Math.ceil(count / perGroup),
    code: `${chainText(down, along)}
var<workgroup> tile: array<vec4f, ${tileQuads(cross, width)}>;
var<workgroup> weights: array<vec4f, ${weightQuads(cross, quads)}>;
// Column u of all: the first row of its run and its pixel there; a row beyond the image for what is none of its columns.
struct Place { y: i32, pixel: i32 }
fn placeOf(u: i32) -> Place {
  let q = u32(max(u, 0));
  let segment = q / ${line}u % ${segments}u;
  let image = q / ${line * segments}u;
  let x = q % ${spaced}u * ${dilation}u + q / ${spaced}u % ${dilation}u;
  let y = segment % ${step}u + segment / ${step}u * ${ROWS * step}u;
  let live = u >= 0 && u < ${count} && q % ${spaced}u < ${spaced - reach}u && x < ${imageWidth}u;
  return Place(select(${2 ** 24}, i32(y), live), i32((image * ${height}u + y) * ${imageWidth}u + x));
}
fn body(group: u32, lane: u32) {
  let column = lane % ${columns}u;
  let row = lane / ${columns}u;
  let start = i32(group) * ${perGroup} - ${reach};
  ${each((i, q) => `var a${i}_${q} = vec4f(0f);`)}
  ${repeat(weightLoads, (l) => `var nw${l}: vec4f;`)}
  {
    ${repeat(
      wide,
      (c) => `let s${c} = row + ${c * ROWS * runs}u;
    let from${c} = placeOf(start + i32(s${c}));`,
    )}
    ${repeat(
      fromLoads,
      (l) => `var nx${l}: vec4f;
    let place${l} = placeOf(start + i32(${element(l)} / ${DEPTH}u % ${width}u));
    let above${l} = (i32(${element(l)} / ${DEPTH * width}u) - ${half}) * ${step};
    let inside${l} = ${element(l)} < ${fromSlots}u && place${l}.y + above${l} >= 0 && place${l}.y + above${l} < ${height};`,
    )}
    ${pipeline(
      fromQuads,
      `${repeat(
        fromLoads,
        (l) => `{
        let quad = next + ${element(l)} % ${DEPTH}u;
        nx${l} = vec4f(0f);
        if (inside${l} && quad < ${fromQuads}u) { nx${l} = xhat_q(u32(place${l}.pixel + above${l} * ${imageWidth}), quad * 4u); }
      }`,
      )}
      ${loadWeights('weight', taps, cin, midQuads)}`,
      `${repeat(wide, (c) => repeat(sources, (i) => `let x${c}_${i} = tile[(s${c} + ${i * width}u) * ${FROM_STRIDE}u + k];`))}
      ${products(taps, (i, t) => `${Math.floor(i / ROWS)}_${(i % ROWS) + t}`)}`,
      `${repeat(fromLoads, (l) => `if (${element(l)} < ${fromSlots}u) { tile[${element(l)} / ${DEPTH}u * ${FROM_STRIDE}u + ${element(l)} % ${DEPTH}u] = nx${l}; }`)}
      ${storeWeights(taps)}`,
    )}
    ${store(
      (i, q) => `select(vec4f(0f), between(map, a${i}_${q}), from${Math.floor(i / ROWS)}.y < ${height})`,
      (i) => slot(`s${Math.floor(i / ROWS)} + ${(i % ROWS) * width}u`),
      'let map = mapOf(quad * 4u);',
    )}
  }
  workgroupBarrier();
  ${each((i, q) => `a${i}_${q} = vec4f(0f);`)}
  let first = row * ${PIXELS}u;
  ${pipeline(
    midQuads,
    loadWeights('weight2', alongTaps, cmid, toQuads),
    `let at = ${slot('first')} + next - ${DEPTH}u + k;
      ${repeat(PIXELS + alongTaps - 1, (i) => `let x${i} = tile[at + ${i * stride + Math.floor(i / PIXELS)}u];`)}
      ${products(alongTaps, (i, t) => `${i + t}`)}`,
    storeWeights(alongTaps),
  )}
  workgroupBarrier();
  ${store(
    (i, q) => `a${i}_${q}`,
    (i) => slot(`first + ${i}u`),
  )}
  workgroupBarrier();
  for (var i = lane; i < ${ROWS * perGroup * toQuads}u; i += ${workgroupSize}u) {
    let s = i / ${toQuads}u % ${perGroup}u;
    let r = i / ${toQuads * perGroup}u;
    let to = placeOf(i32(group * ${perGroup}u + s));
    if (to.y + i32(r) * ${step} < ${height}) {
      finish(u32(to.pixel) + r * ${step * imageWidth}u, i % ${toQuads}u * 4u, tile[${slot(`r * ${width}u + s`)} + i % ${toQuads}u]);
    }
  }
}`,
  };
}
