import type { Dispatch } from '../shader.js';
import type { GatherParts } from './convParts.js';
import type { Gather } from './convSource.js';
import { tapGiven, tapsLoop, tapText } from './convSource.js';
import { repeat } from './kernel.js';

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

/** How a workgroup's tile lies, and the WGSL of `body(group, lane)` that follows from it. */
export function tileOf(g: Gather) {
  const { pixels, quads, columns, rows, channelTiles, depth } = tilingOf(g);
  const tilePixels = pixels * rows;
  const tileQuads = quads * columns;
  const workgroupSize = columns * rows;
  const count = g.images * g.height * g.width;
  const toQuads = Math.ceil(g.toChannels / 4);
  const acc = (r: number, q: number) => `a${r}_${q}`;
  const eachAcc = (text: (r: number, q: number) => string) =>
    repeat(pixels, (r) => repeat(quads, (q) => text(r, q)));
  return {
    ...{ pixels, quads, columns, rows, depth, tilePixels, tileQuads, toQuads, acc, eachAcc },
    workgroupSize,
    workgroups: Math.ceil(count / tilePixels) * channelTiles,
    /** The tile's first pixel and quad, and the place of an invocation therein. */
    begin: `let firstPixel = group / ${channelTiles}u * ${tilePixels}u;
  let firstQuad = group % ${channelTiles}u * ${tileQuads}u;
  let column = lane % ${columns}u;
  let row = lane / ${columns}u;`,
    sums: eachAcc((r, q) => `var ${acc(r, q)} = vec4f(0f);`),
    /** What an invocation stages, where each pixel is `parts` values. */
    staging(parts: number) {
      const values = tilePixels * parts;
      const loads = Math.ceil(values / workgroupSize);
      const slot = (l: number) => `lane + ${l * workgroupSize}u`;
      const guard = (l: number) => ((l + 1) * workgroupSize <= values ? 'true' : `${slot(l)} < ${values}u`);
      return {
        slot,
        /** The pixel of results of each value. */
        places: repeat(
          loads,
          (l) => `let m${l} = firstPixel + (${slot(l)}) / ${parts}u;
  let o${l} = vec2i(i32(m${l} % ${g.width}u), i32(m${l} / ${g.width}u % ${g.height}u));
  let from${l} = m${l} / ${g.width * g.height}u * ${g.fromHeight * g.fromWidth}u;
  let live${l} = m${l} < ${count}u && ${guard(l)};`,
        ),
        /** For tap `t`, the pixel that each reads, or −1. */
        taps: repeat(loads, (l) => `let p${l} = select(-1, tap(o${l}, t), live${l});`),
        each: (text: (l: number) => string) => repeat(loads, (l) => `if (${guard(l)}) {${text(l)}}`),
      };
    },
    /** Sums to `finish`. */
    end: repeat(
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
    ),
  };
}

/**
 * Implicit matrix product: a workgroup computes a tile of pixels × channels; for each tap and a few input channels at
 * a time it stages both factors in workgroup memory, and each invocation keeps a register tile of the result.
 */
export function tiledGather(g: Gather, parts: GatherParts): Dispatch {
  const tile = tileOf(g);
  const { pixels, quads, columns, rows, depth, tilePixels, tileQuads, toQuads, workgroupSize } = tile;
  const { acc, eachAcc } = tile;
  const fromQuads = Math.ceil(g.fromChannels / 4);
  // An odd stride keeps neighbouring pixels in different banks.
  const stride = depth | 1;
  const weights = depth * 4 * tileQuads;
  const { slot, places, taps, each } = tile.staging(depth);
  return {
    tensors: parts.tensors,
    given: tapGiven(g),
    workgroupSize,
    workgroups: tile.workgroups,
    code: `${parts.source}
${parts.weight}
${parts.finish}
${tapText(g, 'given')}
var<workgroup> xs: array<vec4f, ${tilePixels * stride}>;
var<workgroup> ws: array<vec4f, ${weights}>;
fn body(group: u32, lane: u32) {
  ${tile.begin}
  ${places}
  ${tile.sums}
  ${tapsLoop(g)} {
    ${taps}
    for (var first = 0u; first < ${fromQuads}u; first += ${depth}u) {
      workgroupBarrier();
      ${each(
        (l) => `
        let k = first + (${slot(l)}) % ${depth}u;
        var v = vec4f(0f);
        if (p${l} >= 0 && k < ${fromQuads}u) { v = xhat_q(from${l} + u32(p${l}), k * 4u); }
        xs[(${slot(l)}) / ${depth}u * ${stride}u + (${slot(l)}) % ${depth}u] = v;
      `,
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
  ${tile.end}
}`,
  };
}
