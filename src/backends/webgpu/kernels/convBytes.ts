import type { CallFor, TensorRef } from '../../../graph/planned.js';
import { elementBytes, sizeOf } from '../../../ir/value.js';
import type { Dispatch } from '../shader.js';
import type { GatherParts } from './convParts.js';
import type { Gather } from './convSource.js';
import { tapGiven, tapsLoop, tapText } from './convSource.js';
import { tileOf } from './convTiled.js';
import type { Candidate } from './kernel.js';
import { repeat, WORKGROUP } from './kernel.js';

/** Input channels that share a scale: of one pixel, and of one tap's weights to one output. Four packed products. */
export const BLOCK = 16;

/** Products of signed bytes, summed in 32 bits over a block, scaled and added in float32 (as ggml's Q8_0 does). */
export function bytesCandidate(
  call: CallFor<'conv2d'>,
  g: Gather,
  parts: GatherParts,
): Candidate | undefined {
  const { products, groups } = call.attrs;
  if (products !== 'i8' || groups !== 1 || g.fromChannels < BLOCK) return undefined;
  if (!call.constants?.includes('weight')) return undefined;
  const shapes = shapesOf(g);
  return {
    name: 'bytes',
    kept: sizeOf(shapes.packed) + elementBytes.f32 * sizeOf(shapes.scales),
    lower: () => {
      const kept = keptOf(call, g);
      return [packWeights(g, parts, kept), bytesGather(g, parts, kept)];
    },
  };
}

/** Weights as bytes: for each tap, block and output the block's sixteen, and their scale. */
function shapesOf({ taps: [kh, kw], fromChannels, toChannels }: Gather) {
  const rows = kh * kw * Math.ceil(fromChannels / BLOCK);
  const columns = Math.ceil(toChannels / 4) * 4;
  return { packed: [1, 1, rows * columns, BLOCK], scales: [1, 1, rows, columns] } as const;
}

interface Kept extends Record<string, TensorRef> {
  readonly packed: TensorRef;
  readonly scales: TensorRef;
}

function keptOf({ kept }: CallFor<'conv2d'>, g: Gather): Kept {
  const { packed, scales } = shapesOf(g);
  const { offset } = kept!;
  return {
    packed: { name: 'kept', dtype: 'u8', shape: packed, offset, pixelStride: BLOCK },
    scales: {
      ...{ name: 'kept', dtype: 'f32', shape: scales, pixelStride: scales[3] },
      offset: offset + sizeOf(packed),
    },
  };
}

/** Sixteen floats `v0 … v3` as bytes: `scale` of them, and four words. */
const quantizeText = `
struct Bytes { words: vec4u, scale: f32 }
fn quantize(v: array<vec4f, 4>) -> Bytes {
  let largest4 = max(max(abs(v[0]), abs(v[1])), max(abs(v[2]), abs(v[3])));
  let largest = max(max(largest4.x, largest4.y), max(largest4.z, largest4.w));
  let inverse = select(0f, 127f / largest, largest > 0f);
  return Bytes(vec4u(
    pack4xI8(vec4i(round(v[0] * inverse))), pack4xI8(vec4i(round(v[1] * inverse))),
    pack4xI8(vec4i(round(v[2] * inverse))), pack4xI8(vec4i(round(v[3] * inverse)))), largest / 127f);
}`;

/** Once: the weights' bytes and scales. */
function packWeights(g: Gather, { tensors, weight }: GatherParts, kept: Kept): Dispatch {
  const [, , rows, columns] = kept.scales.shape;
  const blocks = Math.ceil(g.fromChannels / BLOCK);
  const quads = columns / 4;
  return {
    tensors: { ...tensors, ...kept },
    once: true,
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil((rows * quads) / WORKGROUP),
    code: `${weight}
${quantizeText}
fn row(t: u32, k: u32, c: u32) -> vec4f {
  if (k >= ${g.fromChannels}u) { return vec4f(0f); }
  return weight_q_at(t, k, c);
}
fn body(group: u32, lane: u32) {
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${rows * quads}u) { return; }
  let c = i % ${quads}u * 4u;
  let r = i / ${quads}u;
  var v: array<mat4x4f, 4>;
  for (var j = 0u; j < 4u; j++) {
    let k = r % ${blocks}u * ${BLOCK}u + j * 4u;
    let t = r / ${blocks}u;
    v[j] = transpose(mat4x4f(row(t, k, c), row(t, k + 1u, c), row(t, k + 2u, c), row(t, k + 3u, c)));
  }
  var scale: vec4f;
  for (var lane4 = 0u; lane4 < 4u; lane4++) {
    let bytes = quantize(array<vec4f, 4>(v[0][lane4], v[1][lane4], v[2][lane4], v[3][lane4]));
    scale[lane4] = bytes.scale;
    for (var j = 0u; j < 4u; j++) { packed_sword(((r * ${columns}u) + c + lane4) * 4u + j, bytes.words[j]); }
  }
  scales_sq(r, c, scale);
}`,
  };
}

/** As `tiledGather`, with bytes of one block of channels in workgroup memory; pixels become bytes on their way there. */
function bytesGather(g: Gather, parts: GatherParts, kept: Kept): Dispatch {
  const tile = tileOf(g);
  const { pixels, quads, columns, rows, tilePixels, tileQuads, toQuads, workgroupSize, acc } = tile;
  const { slot, places, taps, each } = tile.staging(1);
  const blocks = Math.ceil(g.fromChannels / BLOCK);
  const outputs = kept.scales.shape[3];
  const dot = (r: number, j: number) =>
    `dot4I8Packed(x${r}.x, w${j}.x) + dot4I8Packed(x${r}.y, w${j}.y) + dot4I8Packed(x${r}.z, w${j}.z) + dot4I8Packed(x${r}.w, w${j}.w)`;
  const quadAt = (j: number) =>
    `select(vec4f(0f), xhat_q(at, k + ${4 * j}u), k + ${4 * j}u < ${g.fromChannels}u)`;
  return {
    tensors: { ...parts.tensors, ...kept },
    given: tapGiven(g),
    workgroupSize,
    workgroups: tile.workgroups,
    code: `${parts.source}
${parts.finish}
${tapText(g, 'given')}
${quantizeText}
var<workgroup> xs: array<vec4u, ${tilePixels}>;
var<workgroup> xScales: array<f32, ${tilePixels}>;
var<workgroup> ws: array<vec4u, ${4 * tileQuads}>;
var<workgroup> wScales: array<vec4f, ${tileQuads}>;
fn body(group: u32, lane: u32) {
  ${tile.begin}
  ${places}
  ${tile.sums}
  ${tapsLoop(g)} {
    ${taps}
    for (var block = 0u; block < ${blocks}u; block++) {
      let k = block * ${BLOCK}u;
      workgroupBarrier();
      ${each(
        (l) => `
        var bytes = Bytes(vec4u(0u), 0f);
        if (p${l} >= 0) {
          let at = from${l} + u32(p${l});
          bytes = quantize(array<vec4f, 4>(${[0, 1, 2, 3].map(quadAt).join(', ')}));
        }
        xs[${slot(l)}] = bytes.words;
        xScales[${slot(l)}] = bytes.scale;
      `,
      )}
      let r = t * ${blocks}u + block;
      for (var i = lane; i < ${4 * tileQuads}u; i += ${workgroupSize}u) {
        let c = firstQuad * 4u + i;
        var v = vec4u(0u);
        if (c < ${outputs}u) {
          let word = (r * ${outputs}u + c) * 4u;
          v = vec4u(packed_word(word), packed_word(word + 1u), packed_word(word + 2u), packed_word(word + 3u));
        }
        ws[i] = v;
      }
      for (var i = lane; i < ${tileQuads}u; i += ${workgroupSize}u) {
        let c = firstQuad + i;
        wScales[i] = select(vec4f(0f), scales_q(r, min(c, ${toQuads - 1}u) * 4u), c < ${toQuads}u);
      }
      workgroupBarrier();
      ${repeat(pixels, (i) => `let x${i} = xs[row + ${i * rows}u]; let s${i} = xScales[row + ${i * rows}u];`)}
      ${repeat(
        quads,
        (q) => `{
        let w = (column + ${q * columns}u) * 4u;
        let w0 = ws[w]; let w1 = ws[w + 1u]; let w2 = ws[w + 2u]; let w3 = ws[w + 3u];
        let scale = wScales[column + ${q * columns}u];
        ${repeat(
          pixels,
          (i) =>
            `${acc(i, q)} = fma(vec4f(vec4i(${[0, 1, 2, 3].map((j) => dot(i, j)).join(', ')})), s${i} * scale, ${acc(i, q)});`,
        )}
      }`,
      )}
    }
  }
  ${tile.end}
}`,
  };
}
