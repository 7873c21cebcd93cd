import type { Call, TensorRef } from '../../../graph/planned.js';
import type { Shape } from '../../../ir/value.js';
import type { Dispatch } from '../shader.js';
import { matrixAt, matrixBytes, pixelsOf, quadsOf, WORKGROUP } from './kernel.js';

/** Workgroups that share the pixels: enough for the widest device, few enough to be summed by one workgroup. */
const MAX_CHUNKS = 512;
/** Pixels each invocation sums at least, while the image is large enough. */
const MIN_PIXELS = 16;
const FINISH_LANES = 64;

/** What is summed per channel, over all images and pixels. */
export interface PixelSums {
  readonly rows: number;
  /** WGSL before the loop over pixels; sees `c`, the first of four channels. */
  readonly before?: string;
  /** WGSL for each pixel `p`: adds to `s0` … (vec4f), one for each row. */
  readonly each: string;
  /** WGSL that turns the sums `s0` … of the channels from `c` into results. */
  readonly finish: string;
}

/** Pixels to be summed: those of a tensor of `shape`, or of a part of it. */
interface Part {
  readonly shape: Shape;
  readonly tensors: Dispatch['tensors'];
}

function chunking(shape: Shape) {
  const quads = quadsOf(shape);
  const columns = Math.min(quads, 128);
  const lanes = 2 ** Math.floor(Math.log2(WORKGROUP / columns));
  const pixels = pixelsOf(shape);
  const wanted = Math.min(MAX_CHUNKS, Math.ceil(pixels / (lanes * MIN_PIXELS)));
  const perChunk = Math.ceil(pixels / wanted);
  return { quads, columns, lanes, pixels, perChunk, chunks: Math.ceil(pixels / perChunk) };
}

/** Scratch that `channelSums` needs. */
export const channelSumsBytes = (shape: Shape, rows: number): number => partSumsBytes([shape], rows);

/** Scratch that `partSums` needs. */
export const partSumsBytes = (shapes: readonly Shape[], rows: number): number =>
  shapes.reduce((sum, shape) => sum + matrixBytes(chunking(shape).chunks * rows, shape[3]), 0);

const rowsText = (rows: number, text: (row: number) => string): string =>
  Array.from({ length: rows }, (_, row) => text(row)).join(' ');

/** Sums `sums` over the lanes of a workgroup: `stride` invocations hold different channels. */
const treeText = (rows: number, lanes: number, stride: number): string => `
  ${rowsText(rows, (r) => `sums[lane * ${rows}u + ${r}u] = s${r};`)}
  workgroupBarrier();
  for (var half = ${Math.floor(lanes / 2)}u; half > 0u; half >>= 1u) {
    if (lane < half * ${stride}u) {
      let other = lane + half * ${stride}u;
      ${rowsText(rows, (r) => `sums[lane * ${rows}u + ${r}u] += sums[other * ${rows}u + ${r}u];`)}
    }
    workgroupBarrier();
  }`;

/** Sums of a whole tensor, in a fixed order: chunks of pixels, then the chunks. */
export function channelSums({
  call,
  tensors,
  shape,
  ...sums
}: PixelSums & Part & { readonly call: Call }): Dispatch[] {
  const { parts, finish } = partSums([{ shape, tensors }], sums, tensors, call.scratch.offset);
  return [...parts, finish];
}

/**
 * Sums of several parts of one tensor, which may run at different times.
 * @param tensors of `finish`.
 * @param at where the scratch begins.
 */
export function partSums(
  parts: readonly Part[],
  sums: PixelSums,
  tensors: Dispatch['tensors'],
  at: number,
): { parts: Dispatch[]; finish: Dispatch } {
  let row = 0;
  const [, , , channels] = parts[0].shape;
  const dispatches = parts.map((part) => {
    const { chunks } = chunking(part.shape);
    const partial = matrixAt(at + matrixBytes(row, channels), chunks * sums.rows, channels);
    row += chunks * sums.rows;
    return sumPart(part, sums, partial);
  });
  const all = matrixAt(at, row, channels);
  return { parts: dispatches, finish: finishSums(sums, all, row / sums.rows, tensors) };
}

function sumPart(
  { shape, tensors }: Part,
  { rows, before = '', each }: PixelSums,
  partial: TensorRef,
): Dispatch {
  const { quads, columns, lanes, pixels, perChunk, chunks } = chunking(shape);
  const columnTiles = Math.ceil(quads / columns);
  const workgroupSize = columns * lanes;
  return {
    tensors: { ...tensors, partial },
    workgroupSize,
    workgroups: chunks * columnTiles,
    code: `
var<workgroup> sums: array<vec4f, ${workgroupSize * rows}>;
fn body(group: u32, lane: u32) {
  // From the end: of what the call before has written, caches hold the last.
  let chunk = ${chunks - 1}u - group / ${columnTiles}u;
  let quad = (group % ${columnTiles}u) * ${columns}u + lane % ${columns}u;
  let c = quad * 4u;
  ${rowsText(rows, (r) => `var s${r} = vec4f(0f);`)}
  if (quad < ${quads}u) {
    ${before}
    let end = min((chunk + 1u) * ${perChunk}u, ${pixels}u);
    for (var p = chunk * ${perChunk}u + lane / ${columns}u; p < end; p += ${lanes}u) {
      ${each}
    }
  }
  ${treeText(rows, lanes, columns)}
  if (lane < ${columns}u && quad < ${quads}u) {
    ${rowsText(rows, (r) => `partial_sq(chunk * ${rows}u + ${r}u, c, sums[lane * ${rows}u + ${r}u]);`)}
  }
}`,
  };
}

function finishSums(
  { rows, finish }: PixelSums,
  partial: TensorRef,
  chunks: number,
  tensors: Dispatch['tensors'],
): Dispatch {
  const quads = partial.shape[3] / 4;
  return {
    tensors: { ...tensors, partial },
    workgroupSize: FINISH_LANES,
    workgroups: quads,
    code: `
var<workgroup> sums: array<vec4f, ${FINISH_LANES * rows}>;
fn body(group: u32, lane: u32) {
  let c = group * 4u;
  ${rowsText(rows, (r) => `var s${r} = vec4f(0f);`)}
  for (var k = lane; k < ${chunks}u; k += ${FINISH_LANES}u) {
    ${rowsText(rows, (r) => `s${r} += partial_q(k * ${rows}u + ${r}u, c);`)}
  }
  ${treeText(rows, FINISH_LANES, 1)}
  if (lane == 0u) {
    ${rowsText(rows, (r) => `s${r} = sums[${r}u];`)}
    ${finish}
  }
}`,
  };
}

/** Invocations that add up the parts of one quad at most. */
const MAX_PART_LANES = 32;

/** `sum = Σ parts`, of `count` matrices one after the other in the rows of `parts`, always in the same order. */
export function sumRows(parts: TensorRef, sum: TensorRef, count: number): Dispatch {
  const rows = pixelsOf(sum.shape);
  const quads = quadsOf(sum.shape);
  const lanes = Math.min(MAX_PART_LANES, 2 ** Math.floor(Math.log2(count)));
  const each = WORKGROUP / MAX_PART_LANES;
  return {
    tensors: { parts, sum },
    workgroupSize: each * lanes,
    workgroups: Math.ceil((rows * quads) / each),
    code: `
var<workgroup> sums: array<vec4f, ${each * lanes}>;
fn body(group: u32, lane: u32) {
  let i = group * ${each}u + lane % ${each}u;
  let row = i / ${quads}u;
  let c = i % ${quads}u * 4u;
  var s0 = vec4f(0f);
  if (row < ${rows}u) {
    for (var k = lane / ${each}u; k < ${count}u; k += ${lanes}u) { s0 += parts_q(k * ${rows}u + row, c); }
  }
  ${treeText(1, lanes, each)}
  if (lane < ${each}u && row < ${rows}u) { sum_sq(row, c, sums[lane]); }
}`,
  };
}
