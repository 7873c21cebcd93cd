import type { Dispatch } from '../shader.js';
import { fitsDirect } from './convDirect.js';
import type { GatherParts } from './convParts.js';
import type { Gather } from './convSource.js';
import type { Capabilities } from './kernel.js';
import { repeat } from './kernel.js';

/** How `tileGather` cuts its work: results are in tiles 32 pixels wide and rows · pixels high. */
export interface TileCut {
  /** Rows of invocations of a workgroup. */
  readonly rows: number;
  /** Results of an invocation, one below the other. */
  readonly pixels: number;
}

const WIDTH = 32;
/** Values that an invocation loads before it stores the first. */
const AT_ONCE = 4;

function sizesOf(g: Gather, { rows, pixels }: TileCut) {
  const { dilation, stride } = g.attrs;
  const reach = (count: number, axis: 0 | 1) =>
    (count - 1) * stride[axis] + (g.taps[axis] - 1) * dilation[axis] + 1;
  const [fromHeight, fromWidth] = [reach(rows * pixels, 0), reach(WIDTH, 1)];
  const fromQuads = Math.ceil(g.fromChannels / 4);
  const toQuads = Math.ceil(g.toChannels / 4);
  const weights = g.taps[0] * g.taps[1] * fromQuads * 4 * toQuads;
  const staged = fromHeight * fromWidth;
  return {
    fromHeight,
    fromWidth,
    fromQuads,
    toQuads,
    weights,
    staged,
    bytes: 16 * (staged * fromQuads + weights),
  };
}

/** True for convolutions of few channels whose tile the adapter has the memory for. */
export const fitsTile = (g: Gather, cut: TileCut, able: Capabilities): boolean =>
  fitsDirect(g) &&
  g.taps[0] * g.taps[1] > 1 &&
  (!g.transposed || (g.attrs.stride[0] === 1 && g.attrs.stride[1] === 1)) &&
  sizesOf(g, cut).bytes <= able.workgroupBytes &&
  WIDTH * cut.rows <= able.invocations;

/** Few channels: a workgroup stages the input of its tile once for all taps, an invocation computes a few pixels of a column. */
export function tileGather(g: Gather, parts: GatherParts, cut: TileCut): Dispatch {
  const { rows, pixels } = cut;
  const { fromWidth, fromQuads, toQuads, weights, staged } = sizesOf(g, cut);
  const { dilation, stride, padding } = g.attrs;
  const [kh, kw] = g.taps;
  const workgroupSize = WIDTH * rows;
  const across = Math.ceil(g.width / WIDTH);
  const down = Math.ceil(g.height / (rows * pixels));
  const origin = (axis: 0 | 1) =>
    g.transposed ? padding[axis] - (g.taps[axis] - 1) * dilation[axis] : -padding[axis];
  const tap = g.transposed ? `${kh * kw - 1}u - (y * ${kw}u + x)` : `y * ${kw}u + x`;
  const acc = (r: number, q: number) => `a${r}_${q}`;
  const slots = staged * fromQuads;
  return {
    tensors: parts.tensors,
    workgroupSize,
    workgroups: g.images * across * down,
    code: `${parts.source}
${parts.weight}
${parts.finish}
// Quad q of pixel i in tile[q · ${staged} + i].
var<workgroup> tile: array<vec4f, ${slots}>;
var<workgroup> weights: array<vec4f, ${weights}>;
fn staged(image: u32, left: i32, top: i32, i: u32) -> vec4f {
  let x = left + i32(i / ${fromQuads}u % ${fromWidth}u);
  let y = top + i32(i / ${fromQuads * fromWidth}u);
  if (i >= ${slots}u || x < 0 || x >= ${g.fromWidth} || y < 0 || y >= ${g.fromHeight}) { return vec4f(0f); }
  return xhat_q((image * ${g.fromHeight}u + u32(y)) * ${g.fromWidth}u + u32(x), i % ${fromQuads}u * 4u);
}
fn body(group: u32, lane: u32) {
  for (var i = lane; i < ${weights}u; i += ${workgroupSize}u) {
    let line = i / ${toQuads}u;
    let k = line % ${4 * fromQuads}u;
    var v = vec4f(0f);
    if (k < ${g.fromChannels}u) { v = weight_q_at(line / ${4 * fromQuads}u, k, i % ${toQuads}u * 4u); }
    weights[i] = v;
  }
  let image = group / ${across * down}u;
  let left = group % ${across}u * ${WIDTH}u;
  let top = group / ${across}u % ${down}u * ${rows * pixels}u;
  let fromLeft = i32(left * ${stride[1]}u) + ${origin(1)};
  let fromTop = i32(top * ${stride[0]}u) + ${origin(0)};
  for (var i = lane; i < ${slots}u; i += ${AT_ONCE * workgroupSize}u) {
    ${repeat(AT_ONCE, (j) => `let v${j} = staged(image, fromLeft, fromTop, i + ${j * workgroupSize}u);`)}
    ${repeat(AT_ONCE, (j) => `{ let s = i + ${j * workgroupSize}u; if (s < ${slots}u) { tile[s % ${fromQuads}u * ${staged}u + s / ${fromQuads}u] = v${j}; } }`)}
  }
  workgroupBarrier();
  let column = lane % ${WIDTH}u;
  let row = lane / ${WIDTH}u * ${pixels}u;
  ${repeat(pixels, (r) => repeat(toQuads, (q) => `var ${acc(r, q)} = vec4f(0f);`))}
  for (var y = 0u; y < ${kh}u; y++) {
    for (var x = 0u; x < ${kw}u; x++) {
      let at = (row * ${stride[0]}u + y * ${dilation[0]}u) * ${fromWidth}u + column * ${stride[1]}u + x * ${dilation[1]}u;
      for (var k = 0u; k < ${fromQuads}u; k++) {
        ${repeat(pixels, (r) => `let x${r} = tile[k * ${staged}u + at + ${r * stride[0] * fromWidth}u];`)}
        let w = ((${tap}) * ${fromQuads}u + k) * ${4 * toQuads}u;
        ${repeat(
          Math.min(4, g.fromChannels),
          (j) => `{
          ${repeat(toQuads, (q) => `let w${q} = weights[w + ${j * toQuads + q}u];`)}
          ${repeat(pixels, (r) => repeat(toQuads, (q) => `${acc(r, q)} = fma(vec4f(x${r}[${j}]), w${q}, ${acc(r, q)});`))}
        }`,
        )}
      }
    }
  }
  if (left + column >= ${g.width}u) { return; }
  ${repeat(
    pixels,
    (r) => `if (top + row + ${r}u < ${g.height}u) {
    let p = (image * ${g.height}u + top + row + ${r}u) * ${g.width}u + left + column;
    ${repeat(toQuads, (q) => `finish(p, ${4 * q}u, ${acc(r, q)});`)}
  }`,
  )}
}`,
  };
}
