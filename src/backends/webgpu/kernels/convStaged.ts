import type { Dispatch } from '../shader.js';
import { fitsDirect } from './convDirect.js';
import type { GatherParts } from './convParts.js';
import type { Gather } from './convSource.js';
import type { Capabilities } from './kernel.js';
import { repeat } from './kernel.js';

/** How `stagedGather` cuts its work: pixels of the result of a workgroup, and its invocations. */
export interface StagedTile {
  readonly width: number;
  readonly height: number;
  readonly invocations: number;
}

/** What a tile reads. */
function sourceOf({ taps, attrs, fromChannels }: Gather, { width, height }: StagedTile) {
  const length = (count: number, axis: 0 | 1) =>
    (count - 1) * attrs.stride[axis] + (taps[axis] - 1) * attrs.dilation[axis] + 1;
  const [fromHeight, fromWidth] = [length(height, 0), length(width, 1)];
  const fromQuads = Math.ceil(fromChannels / 4);
  return { fromHeight, fromWidth, fromQuads, slots: fromHeight * fromWidth * fromQuads };
}

const weightsOf = ({ taps, fromChannels, toChannels }: Gather): number =>
  taps[0] * taps[1] * 4 * Math.ceil(fromChannels / 4) * Math.ceil(toChannels / 4);

/** True for convolutions of few channels with several taps, where the tile and the weights fit in workgroup memory. */
export const fitsStaged = (g: Gather, tile: StagedTile, able: Capabilities): boolean =>
  fitsDirect(g) &&
  g.taps[0] * g.taps[1] > 1 &&
  !(g.transposed && g.attrs.stride.some((stride) => stride !== 1)) &&
  tile.invocations <= able.invocations &&
  16 * (sourceOf(g, tile).slots + weightsOf(g)) <= able.workgroupBytes;

/**
 * Few channels: what the taps of a tile of the result read is loaded once, into workgroup memory, with all weights; an
 * invocation computes all channels of a few pixels.
 */
export function stagedGather(g: Gather, parts: GatherParts, tile: StagedTile): Dispatch {
  const { stride, padding, dilation } = g.attrs;
  const [kh, kw] = g.taps;
  const { fromHeight, fromWidth, fromQuads, slots } = sourceOf(g, tile);
  const toQuads = Math.ceil(g.toChannels / 4);
  const area = fromHeight * fromWidth;
  const results = tile.width * tile.height;
  const across = Math.ceil(g.width / tile.width);
  const down = Math.ceil(g.height / tile.height);
  const pixels = results / tile.invocations;
  const weights = weightsOf(g);
  const each = (count: number, text: string) =>
    `for (var i = lane; i < ${count}u; i += ${tile.invocations}u) { ${text} }`;
  // Taps of the gradient run backwards.
  const first = ([0, 1] as const).map((axis) =>
    g.transposed ? padding[axis] - (g.taps[axis] - 1) * dilation[axis] : -padding[axis],
  );
  const tap = (name: 'x' | 'y', count: number) => (g.transposed ? `(${count - 1}u - t${name})` : `t${name}`);
  return {
    tensors: parts.tensors,
    workgroupSize: tile.invocations,
    workgroups: g.images * across * down,
    code: `${parts.source}
${parts.weight}
${parts.finish}
// Quad k of pixel i of the tile's source in xs[k · ${area} + i].
var<workgroup> xs: array<vec4f, ${slots}>;
var<workgroup> weights: array<vec4f, ${weights}>;
fn body(group: u32, lane: u32) {
  let image = group / ${across * down}u;
  let left = group % ${across}u * ${tile.width}u;
  let top = group / ${across}u % ${down}u * ${tile.height}u;
  let origin = vec2i(i32(left) * ${stride[1]} + ${first[1]}, i32(top) * ${stride[0]} + ${first[0]});
  ${each(
    weights,
    `let line = i / ${toQuads}u;
    let k = line % ${4 * fromQuads}u;
    var v = vec4f(0f);
    if (k < ${g.fromChannels}u) { v = weight_q_at(line / ${4 * fromQuads}u, k, i % ${toQuads}u * 4u); }
    weights[i] = v;`,
  )}
  ${each(
    slots,
    `let place = i / ${fromQuads}u;
    let at = origin + vec2i(i32(place % ${fromWidth}u), i32(place / ${fromWidth}u));
    var v = vec4f(0f);
    if (all(at >= vec2i(0)) && all(at < vec2i(${g.fromWidth}, ${g.fromHeight}))) {
      v = xhat_q((image * ${g.fromHeight}u + u32(at.y)) * ${g.fromWidth}u + u32(at.x), i % ${fromQuads}u * 4u);
    }
    xs[i % ${fromQuads}u * ${area}u + place] = v;`,
  )}
  workgroupBarrier();
  ${repeat(
    pixels,
    (r) => `let i${r} = lane + ${r * tile.invocations}u;
  let from${r} = i${r} / ${tile.width}u * ${stride[0] * fromWidth}u + i${r} % ${tile.width}u * ${stride[1]}u;
  ${repeat(toQuads, (q) => `var a${r}_${q} = vec4f(0f);`)}`,
  )}
  for (var t = 0u; t < ${kh * kw}u; t++) {
    let tx = t % ${kw}u;
    let ty = t / ${kw}u;
    let offset = ${tap('y', kh)} * ${dilation[0] * fromWidth}u + ${tap('x', kw)} * ${dilation[1]}u;
    for (var k = 0u; k < ${fromQuads}u; k++) {
      ${repeat(pixels, (r) => `let x${r} = xs[k * ${area}u + offset + from${r}];`)}
      let w = (t * ${fromQuads}u + k) * ${4 * toQuads}u;
      ${repeat(
        Math.min(4, g.fromChannels),
        (j) => `{
        ${repeat(toQuads, (q) => `let w${q} = weights[w + ${j * toQuads + q}u];`)}
        ${repeat(pixels, (r) => repeat(toQuads, (q) => `a${r}_${q} = fma(vec4f(x${r}[${j}]), w${q}, a${r}_${q});`))}
      }`,
      )}
    }
  }
  ${repeat(
    pixels,
    (r) => `{
    let x = left + i${r} % ${tile.width}u;
    let y = top + i${r} / ${tile.width}u;
    if (x < ${g.width}u && y < ${g.height}u) {
      let p = (image * ${g.height}u + y) * ${g.width}u + x;
      ${repeat(toQuads, (q) => `finish(p, ${4 * q}u, a${r}_${q});`)}
    }
  }`,
  )}
}`,
  };
}
