import type { Dispatch } from '../shader.js';
import type { Gather } from './convSource.js';
import { tapText } from './convSource.js';
import { WORKGROUP } from './kernel.js';

/**
 * A convolution to lower: `source` is WGSL that defines `xhat_q(p, c)` over what is gathered and
 * `weight_q_at(t, k, c)`; the result of four channels goes to `finish(p, c, sum)`.
 */
export interface GatherParts {
  readonly tensors: Dispatch['tensors'];
  /** WGSL: `fn xhat_q(p: u32, c: u32) -> vec4f`, zeros beyond the last channel. */
  readonly source: string;
  /** WGSL: `fn weight_q_at(t: u32, k: u32, c: u32) -> vec4f`: weights from input channel k to outputs c … c + 3. */
  readonly weight: string;
  /** WGSL: `fn finish(p: u32, c: u32, sum: vec4f)`. */
  readonly finish: string;
}

const repeat = (count: number, text: (k: number) => string): string =>
  Array.from({ length: count }, (_, k) => text(k)).join('\n');

/** Workgroup memory of every adapter, bytes. */
const WORKGROUP_BYTES = 16384;
/** Result channels that one invocation of `directGather` computes at most, in fours. */
const DIRECT_QUADS = 4;

/** True where the weights fit in workgroup memory and all result channels in the registers of one invocation. */
const fitsDirect = (g: Gather): boolean =>
  g.toChannels <= 4 * DIRECT_QUADS &&
  g.taps[0] * g.taps[1] * Math.ceil(g.fromChannels / 4) * 4 * Math.ceil(g.toChannels / 4) * 16 <=
    WORKGROUP_BYTES / 2;

/** The convolution kernel that suits the shape. */
export const lowerGather = (g: Gather, parts: GatherParts): Dispatch =>
  fitsDirect(g) ? directGather(g, parts) : tiledGather(g, parts);

/** Few channels: an invocation computes all channels of a few neighbouring pixels; weights in workgroup memory. */
function directGather(g: Gather, parts: GatherParts): Dispatch {
  const quads = Math.ceil(g.toChannels / 4);
  const fromQuads = Math.ceil(g.fromChannels / 4);
  const taps = g.taps[0] * g.taps[1];
  const pixels = quads <= 2 ? 4 : 2;
  const perRow = Math.ceil(g.width / pixels);
  const count = g.images * g.height * perRow;
  const weights = taps * fromQuads * 4 * quads;
  const acc = (r: number, q: number) => `a${r}_${q}`;
  return {
    tensors: parts.tensors,
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(count / WORKGROUP),
    code: `${parts.source}
${parts.weight}
${parts.finish}
${tapText(g)}
var<workgroup> weights: array<vec4f, ${weights}>;
fn body(group: u32, lane: u32) {
  for (var i = lane; i < ${weights}u; i += ${WORKGROUP}u) {
    let row = i / ${quads}u;
    let k = row % ${fromQuads * 4}u;
    if (k < ${g.fromChannels}u) {
      weights[i] = weight_q_at(row / ${fromQuads * 4}u, k, (i % ${quads}u) * 4u);
    } else {
      weights[i] = vec4f(0f);
    }
  }
  workgroupBarrier();
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${count}u) { return; }
  let x = (i % ${perRow}u) * ${pixels}u;
  let row = i / ${perRow}u;
  let y = row % ${g.height}u;
  let image = row / ${g.height}u * ${g.fromHeight * g.fromWidth}u;
  ${repeat(pixels, (r) => repeat(quads, (q) => `var ${acc(r, q)} = vec4f(0f);`))}
  for (var t = 0u; t < ${taps}u; t++) {
    ${repeat(pixels, (r) => `let p${r} = tap(vec2i(i32(x) + ${r}, i32(y)), t);`)}
    for (var k = 0u; k < ${fromQuads}u; k++) {
      ${repeat(pixels, (r) => `var x${r} = vec4f(0f); if (p${r} >= 0) { x${r} = xhat_q(image + u32(p${r}), k * 4u); }`)}
      let w = (t * ${fromQuads}u + k) * ${4 * quads}u;
      ${repeat(
        Math.min(4, g.fromChannels),
        (j) => `{
        ${repeat(quads, (q) => `let w${q} = weights[w + ${j * quads + q}u];`)}
        ${repeat(pixels, (r) => repeat(quads, (q) => `${acc(r, q)} = fma(vec4f(x${r}[${j}]), w${q}, ${acc(r, q)});`))}
      }`,
      )}
    }
  }
  let p = row * ${g.width}u + x;
  ${repeat(
    pixels,
    (r) =>
      `if (x + ${r}u < ${g.width}u) { ${repeat(quads, (q) => `finish(p + ${r}u, ${q * 4}u, ${acc(r, q)});`)} }`,
  )}
}`,
  };
}

/** How `tiledGather` cuts its work. */
interface Tiling {
  /** Register tile of an invocation: pixels × quads of channels. */
  readonly pixels: number;
  readonly quads: number;
  /** Invocations along channels and along pixels. */
  readonly columns: number;
  readonly rows: number;
  /** Workgroups along channels. */
  readonly channelTiles: number;
  /** Quads of input channels in workgroup memory at a time. */
  readonly depth: number;
}

function tilingOf(g: Gather): Tiling {
  const toQuads = Math.ceil(g.toChannels / 4);
  const quads = toQuads % 2 === 0 ? 2 : 1;
  const pixels = quads === 2 ? 4 : 8;
  const wanted = toQuads / quads;
  const channelTiles = Math.ceil(wanted / 20);
  const columns = Math.ceil(wanted / channelTiles);
  const rows = Math.max(1, Math.min(Math.floor(160 / columns), 128 / pixels));
  const fromQuads = Math.ceil(g.fromChannels / 4);
  // The depth that wastes the least of the last step, among those that fit.
  const waste = (depth: number) => Math.ceil(fromQuads / depth) * depth - fromQuads;
  const depth = [4, 5, 3, 2, 1].reduce((best, d) => (waste(d) < waste(best) && d > 2 ? d : best));
  return { pixels, quads, columns, rows, channelTiles, depth: Math.min(depth, fromQuads) };
}

/**
 * Implicit matrix product: a workgroup computes a tile of pixels × channels; for each tap and a few input channels at
 * a time it stages both factors in workgroup memory, and each invocation keeps a register tile of the result.
 */
function tiledGather(g: Gather, parts: GatherParts): Dispatch {
  const { pixels, quads, columns, rows, channelTiles, depth } = tilingOf(g);
  const tilePixels = pixels * rows;
  const tileQuads = quads * columns;
  const workgroupSize = columns * rows;
  const count = g.images * g.height * g.width;
  const fromQuads = Math.ceil(g.fromChannels / 4);
  const toQuads = Math.ceil(g.toChannels / 4);
  // An odd stride keeps neighbouring pixels in different banks.
  const stride = depth | 1;
  const loads = Math.ceil((tilePixels * depth) / workgroupSize);
  const weights = depth * 4 * tileQuads;
  const acc = (r: number, q: number) => `a${r}_${q}`;
  const eachAcc = (text: (r: number, q: number) => string) =>
    repeat(pixels, (r) => repeat(quads, (q) => text(r, q)));
  const slot = (l: number) => `lane + ${l * workgroupSize}u`;
  const guard = (l: number) =>
    (l + 1) * workgroupSize <= tilePixels * depth ? 'true' : `${slot(l)} < ${tilePixels * depth}u`;
  return {
    tensors: parts.tensors,
    workgroupSize,
    workgroups: Math.ceil(count / tilePixels) * channelTiles,
    code: `${parts.source}
${parts.weight}
${parts.finish}
${tapText(g)}
var<workgroup> xs: array<vec4f, ${tilePixels * stride}>;
var<workgroup> ws: array<vec4f, ${weights}>;
fn body(group: u32, lane: u32) {
  let firstPixel = group / ${channelTiles}u * ${tilePixels}u;
  let firstQuad = group % ${channelTiles}u * ${tileQuads}u;
  let column = lane % ${columns}u;
  let row = lane / ${columns}u;
  ${repeat(
    loads,
    (l) => `let m${l} = firstPixel + (${slot(l)}) / ${depth}u;
  let o${l} = vec2i(i32(m${l} % ${g.width}u), i32(m${l} / ${g.width}u % ${g.height}u));
  let from${l} = m${l} / ${g.width * g.height}u * ${g.fromHeight * g.fromWidth}u;
  let live${l} = m${l} < ${count}u && ${guard(l)};`,
  )}
  ${eachAcc((r, q) => `var ${acc(r, q)} = vec4f(0f);`)}
  for (var t = 0u; t < ${g.taps[0] * g.taps[1]}u; t++) {
    ${repeat(loads, (l) => `let p${l} = select(-1, tap(o${l}, t), live${l});`)}
    for (var first = 0u; first < ${fromQuads}u; first += ${depth}u) {
      workgroupBarrier();
      ${repeat(
        loads,
        (l) => `if (${guard(l)}) {
        let k = first + (${slot(l)}) % ${depth}u;
        var v = vec4f(0f);
        if (p${l} >= 0 && k < ${fromQuads}u) { v = xhat_q(from${l} + u32(p${l}), k * 4u); }
        xs[(${slot(l)}) / ${depth}u * ${stride}u + (${slot(l)}) % ${depth}u] = v;
      }`,
      )}
      for (var i = lane; i < ${weights}u; i += ${workgroupSize}u) {
        let k = first * 4u + i / ${tileQuads}u;
        let c = firstQuad + i % ${tileQuads}u;
        var v = vec4f(0f);
        if (k < ${g.fromChannels}u && c < ${toQuads}u) { v = weight_q_at(t, k, c * 4u); }
        ws[i] = v;
      }
      workgroupBarrier();
      for (var k = 0u; k < min(${depth}u, ${fromQuads}u - first); k++) {
        ${repeat(pixels, (r) => `let x${r} = xs[(row + ${r * rows}u) * ${stride}u + k];`)}
        let w = k * ${4 * tileQuads}u + column;
        ${repeat(
          4,
          (j) => `{
          ${repeat(quads, (q) => `let w${q} = ws[w + ${j * tileQuads + q * columns}u];`)}
          ${eachAcc((r, q) => `${acc(r, q)} = fma(vec4f(x${r}[${j}]), w${q}, ${acc(r, q)});`)}
        }`,
        )}
      }
    }
  }
  ${repeat(
    pixels,
    (r) => `{
    let p = firstPixel + row + ${r * rows}u;
    if (p < ${count}u) {
      ${repeat(
        quads,
        (q) => `{
        let quad = firstQuad + column + ${q * columns}u;
        if (quad < ${toQuads}u) { finish(p, quad * 4u, ${acc(r, q)}); }
      }`,
      )}
    }
  }`,
  )}
}`,
  };
}
