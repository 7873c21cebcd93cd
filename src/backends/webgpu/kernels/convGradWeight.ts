import type { CallFor } from '../../../graph/planned.js';
import type { Dispatch } from '../shader.js';
import { lowerGrouped, scratchGrouped } from './convGradWeightGrouped.js';
import type { Cut, Geometry } from './convGradWeightTile.js';
import { geometryOf } from './convGradWeightTile.js';
import { keptPrologue } from './convSource.js';
import type { Candidate, TunedKernel } from './kernel.js';
import { matrixBytes, scratchMatrix } from './kernel.js';
import { sumRows } from './reduce.js';

type Call = CallFor<'conv2dGradWeight'>;

/**
 * All of them fit every adapter. On an H200, twice the workgroup memory takes half as long again, and what counts is how
 * the workgroups divide among its 132 processors, which hold two or three of them.
 */
const cuts: readonly Cut[] = [
  { tile: [3, 2], invocations: 256, bytes: 16384, workgroups: 264 },
  { tile: [3, 2], invocations: 256, bytes: 16384, workgroups: 396 },
  { tile: [3, 2], invocations: 256, bytes: 16384, workgroups: 1056 },
  { tile: [3, 2], invocations: 256, bytes: 8192, workgroups: 396 },
  { tile: [3, 2], invocations: 256, bytes: 8192, workgroups: 660 },
  { tile: [2, 2], invocations: 256, bytes: 16384, workgroups: 396 },
  { tile: [2, 2], invocations: 256, bytes: 8192, workgroups: 660 },
];

/** A processor has few threads: what a workgroup does once, before and after its pixels, counts most there. */
const ofSoftware: Cut = { tile: [3, 2], invocations: 256, bytes: 16384, workgroups: 8 };

export const conv2dGradWeight: TunedKernel<'conv2dGradWeight'> = {
  candidates(call, able) {
    const { kernel, groups } = call.attrs;
    if (groups > 1) {
      return [{ name: 'grouped', scratch: scratchGrouped(call), lower: () => lowerGrouped(call) }];
    }
    const rows = kernel[0] * kernel[1] * call.inputs.x.shape[3];
    const found = new Map<string, Candidate & { readonly cost: number }>();
    const software = able.family.vendor === 'software';
    for (const cut of software ? [ofSoftware, ...cuts] : cuts) {
      const geometry = geometryOf(call, cut, able);
      if (!geometry) continue;
      const { x, y, workgroupSize, chunks } = geometry;
      const name = `${cut.tile.join('×')} quads, ${y.pixels}×${x.pixels} pixels, ${workgroupSize} invocations, ${chunks} chunks`;
      if (found.has(name)) continue;
      found.set(name, {
        name,
        cost: cut === ofSoftware ? 0 : geometry.cost,
        scratch: matrixBytes(chunks * rows, call.outputs.gweight.shape[3]),
        lower: () => lowerTiled(call, cut, geometry),
      });
    }
    return [...found.values()].sort((a, b) => a.cost - b.cost);
  },
};

const repeat = (count: number, text: (k: number) => string): string =>
  Array.from({ length: count }, (_, k) => text(k)).join('\n');

/**
 * A matrix product whose inner dimension is the pixels: `gweight[t, k, c] = Σ x̂[tap t of p, k]·gy[p, c]`. A workgroup owns a
 * block of the weight and a chunk of the pixels. It stages a tile of pixels at a time, each value once for all taps, and
 * every invocation keeps a register tile of the sums. A second dispatch adds the chunks in order.
 */
function lowerTiled(call: Call, { tile: [tileFrom, tileTo] }: Cut, g: Geometry): Dispatch[] {
  const { inputs, outputs, attrs } = call;
  const { x, gy } = inputs;
  const rows = g.taps * x.shape[3];
  const partial = scratchMatrix(call, 0, g.chunks * rows, outputs.gweight.shape[3]);
  const [, height, width] = gy.shape;
  const [, fromHeight, fromWidth, channels] = x.shape;
  const lanes = Math.min(4, channels);
  const size = g.workgroupSize;
  const places = g.y.places * g.x.places;
  const pixels = g.y.pixels * g.x.pixels;
  const prologue = keptPrologue(inputs, attrs.normalize);
  const tapPlace = (t: string) =>
    `(${t} / ${attrs.kernel[1]}u * ${g.y.ofTap * g.x.places}u + ${t} % ${attrs.kernel[1]}u * ${g.x.ofTap}u) * ${g.fromLayout.ofPlace}u`;
  const sum = (i: number, j: number, k: number) => `a${i}_${j}_${k}`;
  const sums = Array.from({ length: tileFrom * tileTo * lanes }, (_, n) =>
    sum(Math.floor(n / (tileTo * lanes)), Math.floor(n / lanes) % tileTo, n % lanes),
  );
  /** Sums that go through workgroup memory at a time. */
  const some = Math.min(sums.length, Math.floor(g.staged / size));
  return [
    {
      tensors: { ...inputs, partial },
      workgroupSize: size,
      workgroups: g.chunks * g.blocks.taps * g.blocks.from * g.blocks.to,
      code: `${prologue.declarations}
var<workgroup> xs: array<vec4f, ${g.staged}>;
var<workgroup> gs: array<vec4f, ${g.toLayout.elements}>;
fn body(group: u32, lane: u32) {
  let chunk = group / ${g.blocks.taps * g.blocks.from * g.blocks.to}u;
  let firstTo = group % ${g.blocks.to}u * ${g.blockTo}u;
  let firstFrom = group / ${g.blocks.to}u % ${g.blocks.from}u * ${g.blockFrom}u;
  let firstTap = group / ${g.blocks.to * g.blocks.from}u % ${g.blocks.taps}u * ${g.blockTaps}u;
  let split = lane % ${g.splits}u;
  let column = lane / ${g.splits}u % ${g.columns}u;
  let row = lane / ${g.splits * g.columns}u;
  ${repeat(
    tileFrom,
    (i) => `let m${i} = row + ${i * g.rows}u;
  let t${i} = min(firstTap + m${i} / ${g.blockFrom}u, ${g.taps - 1}u);
  let x${i} = ${tapPlace(`t${i}`)} + m${i} % ${g.blockFrom}u * ${g.fromLayout.ofQuad}u;`,
  )}
  let fromQuad = lane % ${g.blockFrom}u;
  let fromAt = firstFrom + fromQuad;
  let toQuad = lane % ${g.blockTo}u;
  let toAt = firstTo + toQuad;
  ${prologue.once(`min(fromAt, ${g.fromQuads - 1}u) * 4u`)}
  ${sums.map((name) => `var ${name} = vec4f(0f);`).join('\n')}
  let end = min((chunk + 1u) * ${g.chunkTiles}u, ${g.tiles.all}u);
  for (var tile = chunk * ${g.chunkTiles}u; tile < end; tile++) {
    let left = i32(tile % ${g.tiles.x}u * ${g.x.pixels}u);
    let top = i32(tile / ${g.tiles.x}u % ${g.tiles.y}u * ${g.y.pixels}u);
    let image = tile / ${g.tiles.x * g.tiles.y}u;
    workgroupBarrier();
    if (lane < ${Math.floor(size / g.blockFrom) * g.blockFrom}u) {
      for (var at = lane / ${g.blockFrom}u; at < ${places}u; at += ${Math.floor(size / g.blockFrom)}u) {
        let across = i32(at % ${g.x.places}u);
        let down = i32(at / ${g.x.places}u);
        let ix = ${g.x.source('left', 'across')};
        let iy = ${g.y.source('top', 'down')};
        var v = vec4f(0f);
        if (ix >= 0 && ix < ${fromWidth} && iy >= 0 && iy < ${fromHeight} && fromAt < ${g.fromQuads}u) {
          v = ${prologue.each(`(image * ${fromHeight}u + u32(iy)) * ${fromWidth}u + u32(ix)`, 'fromAt * 4u')};
        }
        xs[at * ${g.fromLayout.ofPlace}u + fromQuad * ${g.fromLayout.ofQuad}u] = v;
      }
    }
    if (lane < ${Math.floor(size / g.blockTo) * g.blockTo}u) {
      for (var at = lane / ${g.blockTo}u; at < ${pixels}u; at += ${Math.floor(size / g.blockTo)}u) {
        let ox = u32(left) + at % ${g.x.pixels}u;
        let oy = u32(top) + at / ${g.x.pixels}u;
        var v = vec4f(0f);
        if (ox < ${width}u && oy < ${height}u && toAt < ${g.toQuads}u) {
          v = gy_q((image * ${height}u + oy) * ${width}u + ox, toAt * 4u);
        }
        gs[at * ${g.toLayout.ofPlace}u + toQuad * ${g.toLayout.ofQuad}u] = v;
      }
    }
    workgroupBarrier();
    for (var p = split; p < ${pixels}u; p += ${g.splits}u) {
      let base = (p / ${g.x.pixels}u * ${g.y.ofPixel * g.x.places}u + p % ${g.x.pixels}u * ${g.x.ofPixel}u) * ${g.fromLayout.ofPlace}u;
      ${repeat(tileTo, (j) => `let v${j} = gs[p * ${g.toLayout.ofPlace}u + (column + ${j * g.columns}u) * ${g.toLayout.ofQuad}u];`)}
      ${repeat(
        tileFrom,
        (i) => `{
        let x = xs[base + x${i}];
        ${repeat(tileTo, (j) => repeat(lanes, (k) => `${sum(i, j, k)} = fma(vec4f(x[${k}]), v${j}, ${sum(i, j, k)});`))}
      }`,
      )}
    }
  }
  // Through workgroup memory, a few sums at a time: added up over the splits, which are neighbours.
  for (var first = 0u; first < ${sums.length}u; first += ${some}u) {
    workgroupBarrier();
    switch first {
      ${repeat(
        Math.ceil(sums.length / some),
        (n) => `case ${n * some}u${n === 0 ? ', default' : ''}: {
        ${sums
          .slice(n * some, (n + 1) * some)
          .map((name, k) => `xs[lane + ${k * size}u] = ${name};`)
          .join('\n')}
      }`,
      )}
    }
    for (var half = ${Math.floor(g.splits / 2)}u; half > 0u; half >>= 1u) {
      workgroupBarrier();
      if (split < half) {
        for (var i = lane; i < ${some * size}u; i += ${size}u) { xs[i] += xs[i + half]; }
      }
    }
    for (var n = first; n < min(first + ${some}u, ${sums.length}u) && split == 0u; n++) {
      let m = row + n / ${tileTo * lanes}u * ${g.rows}u;
      let t = firstTap + m / ${g.blockFrom}u;
      let k = (firstFrom + m % ${g.blockFrom}u) * 4u + n % ${lanes}u;
      let c = (firstTo + column + n / ${lanes}u % ${tileTo}u * ${g.columns}u) * 4u;
      if (m < ${g.blockTaps * g.blockFrom}u && t < ${g.taps}u && k < ${channels}u && c < ${4 * g.toQuads}u) {
        partial_sq((chunk * ${g.taps}u + t) * ${channels}u + k, c, xs[lane + (n - first) * ${size}u]);
      }
    }
  }
}`,
    },
    sumRows(partial, outputs.gweight, g.chunks),
  ];
}
