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
  { quads: 2, width: 32 },
  { quads: 2, width: 64 },
];

/** Workgroup memory beyond which too few workgroups fit on a processor. */
const MOST_BYTES = 40960;
const MOST_INVOCATIONS = 256;

/**
 * F and G of V modules as one dispatch, over runs of pixels that lie as far apart as the taps, so that an invocation uses each
 * loaded value for all taps. A workgroup computes `ROWS` rows of the tensor between, a dilation of the first convolution
 * apart, and from them as many of the result. Columns are in the order of `convCross`, with zeros behind each class of them,
 * so that neighbours of the last are none of the next.
 */
export const convCrossRuns: Pair = (first, second, able) => {
  const cross = crossOf(first, second);
  if (!cross) return [];
  const bytes = Math.min(able.workgroupBytes, MOST_BYTES);
  const invocations = Math.min(able.invocations, MOST_INVOCATIONS);
  const widths = new Set<string>();
  return cuts.flatMap(({ quads, width: widest }): Candidate[] => {
    let width = widest;
    const fits = () =>
      16 * slotsBytes(cross, width) <= bytes && (width / 2) * columnsOf(cross, quads) <= invocations;
    while (width > 0 && !fits()) width -= PIXELS;
    const name = `runs, ${ROWS}×${width} pixels by ${4 * quads}`;
    // Beyond four pixels in five computed once, it is no use.
    if (width < 10 * cross.reach || widths.has(name)) return [];
    widths.add(name);
    return [{ name, lower: () => [lowerRuns(cross, { quads, width })] }];
  });
};

const columnsOf = ({ midQuads, toQuads }: Cross, quads: number): number =>
  Math.ceil(Math.max(midQuads, toQuads) / quads);
/** Quads from one pixel to the next in workgroup memory: odd, so that neighbours lie in different banks. */
const strideOf = ({ midQuads, toQuads }: Cross): number => Math.max(midQuads, toQuads) | 1;
/** Quads of the tile; one more for each run, so that runs begin in different banks, and what the last reads beyond. */
const slotsBytes = (cross: Cross, width: number): number =>
  (ROWS * width + 2 * cross.reach) * strideOf(cross) + Math.ceil((ROWS * width) / PIXELS) + 1;

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
  const slot = (s: string) => `(${s}) * ${stride}u + (${s}) / ${PIXELS}u`;
  /** Pixel i takes `x{of(i, t)}` at tap t. */
  const products = (weight: string, tapCount: number, inputs: number, of: (i: number, t: number) => string) =>
    repeat(
      4,
      (j) => `{
        let line = ${inputs % 4 === 0 ? `k * 4u + ${j}u` : `min(k * 4u + ${j}u, ${inputs - 1}u)`};
        ${repeat(tapCount, (t) => repeat(quads, (q) => `let w${t}_${q} = ${weight}_q(line + ${t * inputs}u, c${q});`))}
        ${repeat(tapCount, (t) => each((i, q) => `a${i}_${q} = fma(vec4f(x${of(i, t)}[${j}]), w${t}_${q}, a${i}_${q});`))}
      }`,
    );
  const channels = (limit: number) =>
    repeat(quads, (q) => `let c${q} = min(column + ${q * columns}u, ${limit - 1}u) * 4u;`);
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
  return {
    tensors: chainTensors(down, along),
    workgroupSize,
    workgroups: Math.ceil(count / perGroup),
    code: `${chainText(down, along)}
var<workgroup> tile: array<vec4f, ${slotsBytes(cross, width)}>;
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
  {
    ${channels(midQuads)}
    ${repeat(
      wide,
      (c) => `let s${c} = row + ${c * ROWS * runs}u;
    let from${c} = placeOf(start + i32(s${c}));
    ${repeat(
      sources,
      (i) => `let y${c}_${i} = from${c}.y + ${(i - half) * step};
    let p${c}_${i} = select(-1, from${c}.pixel + ${(i - half) * step * imageWidth}, y${c}_${i} >= 0 && y${c}_${i} < ${height});`,
    )}`,
    )}
    for (var k = 0u; k < ${fromQuads}u; k++) {
      ${repeat(wide, (c) =>
        repeat(
          sources,
          (i) =>
            `var x${c}_${i} = vec4f(0f); if (p${c}_${i} >= 0) { x${c}_${i} = xhat_q(u32(p${c}_${i}), k * 4u); }`,
        ),
      )}
      ${products('weight', taps, cin, (i, t) => `${Math.floor(i / ROWS)}_${(i % ROWS) + t}`)}
    }
    ${store(
      (i, q) => `select(vec4f(0f), between(map, a${i}_${q}), from${Math.floor(i / ROWS)}.y < ${height})`,
      (i) => slot(`s${Math.floor(i / ROWS)} + ${(i % ROWS) * width}u`),
      'let map = mapOf(quad * 4u);',
    )}
  }
  workgroupBarrier();
  ${each((i, q) => `a${i}_${q} = vec4f(0f);`)}
  let first = row * ${PIXELS}u;
  {
    ${channels(toQuads)}
    for (var k = 0u; k < ${midQuads}u; k++) {
      let at = ${slot('first')} + k;
      ${repeat(PIXELS + alongTaps - 1, (i) => `let x${i} = tile[at + ${i * stride + Math.floor(i / PIXELS)}u];`)}
      ${products('weight2', alongTaps, cmid, (i, t) => `${i + t}`)}
    }
  }
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
