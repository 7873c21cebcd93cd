import type { Dispatch } from '../shader.js';
import { linesOf } from './convLines.js';
import type { GatherParts } from './convParts.js';
import type { Gather } from './convSource.js';
import type { Capabilities } from './kernel.js';
import { repeat } from './kernel.js';

/** The square matrices of float16 that subgroups of one size multiply, and sum in float32. */
export interface Matrices {
  readonly side: number;
  readonly subgroupSize: number;
}

/** How `matrixGather` cuts its work: pixels of a workgroup, and its subgroups. */
export interface MatrixCut extends Matrices {
  readonly pixels: number;
  readonly subgroups: number;
}

/** Input channels in workgroup memory at a time, at most. */
const MOST_DEPTH = 96;
/** Sums that a subgroup keeps at most, in matrices. */
const MOST_SUMS = 10;

/** Values that an invocation loads before it stores the first: each load takes hundreds of cycles. */
const AT_ONCE = 8;

const upTo = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** WGSL that the kernel needs beyond the standard. */
const matrixExtensions = ['subgroups', 'chromium_experimental_subgroup_matrix'] as const;

/** What an adapter multiplies; `undefined` where it has no units for it. */
export function matricesOf({ matrices, subgroupSize, features }: Capabilities): Matrices | undefined {
  const has = features.has('shader-f16') && features.has('subgroups') && subgroupSize > 0;
  if (!has) return undefined;
  const sides = matrices.flatMap(({ m, n, k }) => (m === n && n === k ? [m] : []));
  return sides.length > 0 ? { side: Math.max(...sides), subgroupSize } : undefined;
}

function sizesOf(g: Gather, { pixels, subgroups, side }: MatrixCut) {
  const { axis, taps, dilation, flat } = linesOf(g);
  const vertical = !flat && axis === 0;
  // A tap further, the matrix begins so many staged pixels later.
  const shift = vertical ? side : dilation;
  const staged = pixels + (taps - 1) * shift;
  const chunks = Math.ceil(g.fromChannels / MOST_DEPTH);
  const depth = upTo(Math.ceil(g.fromChannels / chunks), side);
  const columns = upTo(g.toChannels, side);
  // Eight more keep rows in different banks, and aligned.
  const xStride = depth + 8;
  const wStride = columns + 8;
  const rows = pixels / side / subgroups;
  const bytes = 2 * (staged * xStride + depth * wStride) + 4 * subgroups * side * (side + 4);
  return {
    vertical,
    shift,
    staged,
    depth,
    columns,
    xStride,
    wStride,
    rows,
    sums: (rows * columns) / side,
    bytes,
  };
}

/** True where the adapter has the memory for a cut, and an invocation the registers. */
export function fitsMatrix(g: Gather, cut: MatrixCut, able: Capabilities): boolean {
  const { bytes, rows, sums } = sizesOf(g, cut);
  return (
    bytes <= able.workgroupBytes &&
    cut.subgroups * cut.subgroupSize <= able.invocations &&
    Number.isInteger(rows) &&
    sums <= MOST_SUMS
  );
}

/**
 * Convolutions with taps along one axis as products of float16 matrices, summed in float32: a workgroup stages its pixels
 * with their halo once for all taps, and the weights of one tap after the other; a tap further is the same matrix some rows
 * later. Along columns, tiles are 16 pixels wide and take rows as far apart as the taps.
 */
export function matrixGather(g: Gather, parts: GatherParts, cut: MatrixCut): Dispatch {
  const { pixels, subgroups, side, subgroupSize } = cut;
  const { taps, dilation, flat, length, fromLength, offset, flatText } = linesOf(g);
  const { vertical, shift, staged, depth, columns, xStride, wStride, rows } = sizesOf(g, cut);
  const workgroupSize = subgroupSize * subgroups;
  // Pixels that all invocations stage together, each four channels.
  const perPass = Math.floor(workgroupSize / (depth / 4));
  const fromEnd = upTo(g.fromChannels, 4);
  const toEnd = upTo(g.toChannels, 4);
  const along = vertical ? pixels / side : pixels;
  const step = vertical ? dilation : 1;
  const segments = vertical
    ? dilation * Math.ceil(Math.ceil(length / dilation) / along)
    : Math.ceil(length / along);
  const acrossTiles = vertical ? Math.ceil(g.width / side) : 1;
  const lines = flat ? 1 : vertical ? g.images * acrossTiles : g.images * g.height;
  const sums = columns / side;
  const sum = (r: number, n: number) => `c${r}_${n}`;
  const each = (text: (r: number, n: number) => string) =>
    repeat(rows, (r) => repeat(sums, (n) => text(r, n)));
  const cStride = side + 4;
  // Of a tile: its first pixel along the taps, its first one across them, and where its line begins in input and output.
  const place = vertical
    ? `let segment = group % ${segments}u;
  let across = group / ${segments}u % ${acrossTiles}u * ${side}u;
  let image = group / ${segments * acrossTiles}u;
  return Tile(segment % ${dilation}u + segment / ${dilation}u * ${along * dilation}u, across, image * ${g.fromHeight * g.fromWidth}u, image * ${g.height * g.width}u);`
    : `let line = group / ${segments}u;
  return Tile(group % ${segments}u * ${along}u, 0u, line * ${flat ? 0 : g.fromWidth}u, line * ${flat ? 0 : g.width}u);`;
  const at = vertical
    ? { along: `s / ${side}u`, across: `tile.across + s % ${side}u`, line: g.width }
    : { along: 's', across: '0u', line: 1 };
  const index = (base: string) =>
    vertical ? `i32(tile.${base} + across) + at * ${at.line}` : `i32(tile.${base}) + at`;
  const outside = vertical ? ` || across >= ${g.width}u` : '';
  return {
    tensors: parts.tensors,
    extensions: matrixExtensions,
    workgroupSize,
    workgroups: lines * segments,
    code: `${parts.source}
${parts.block}
${parts.finish}
${flatText}
struct Tile { first: u32, across: u32, input: u32, output: u32 }
fn tile_at(group: u32) -> Tile {
  ${place}
}
fn source_at(tile: Tile, s: u32) -> i32 {
  let across = ${at.across};
  let at = i32(tile.first + ${at.along} * ${step}u) + ${offset};
  if (at < 0 || at >= ${fromLength}${outside}) { return -1; }
  return ${flat ? 'i32(flat_source(u32(at)))' : index('input')};
}
fn output_at(tile: Tile, s: u32) -> i32 {
  let across = ${at.across};
  let at = i32(tile.first + ${at.along} * ${step}u);
  if (at >= ${length}${outside}) { return -1; }
  return ${index('output')};
}
fn staged_x(tile: Tile, s: u32, k: u32) -> vec4h {
  let at = source_at(tile, s);
  if (at < 0 || s >= ${staged}u || k >= ${fromEnd}u) { return vec4h(0h); }
  return vec4h(xhat_q(u32(at), k));
}
alias Left = subgroup_matrix_left<f16, ${side}, ${side}>;
alias Right = subgroup_matrix_right<f16, ${side}, ${side}>;
alias Sum = subgroup_matrix_result<f32, ${side}, ${side}>;
var<workgroup> xs: array<f16, ${staged * xStride}>;
var<workgroup> ws: array<f16, ${depth * wStride}>;
var<workgroup> cs: array<f32, ${subgroups * side * cStride}>;
fn body(group: u32, lane: u32, subgroup: u32, member: u32) {
  let tile = tile_at(group);
  ${each((r, n) => `var ${sum(r, n)} = Sum();`)}
  for (var first = 0u; first < ${fromEnd}u; first += ${depth}u) {
    for (var t = 0u; t < ${taps}u; t++) {
      workgroupBarrier();
      if (t == 0u) {
        let k = lane % ${depth / 4}u * 4u;
        for (var s = lane / ${depth / 4}u; s < ${staged}u; s += ${AT_ONCE * perPass}u) {
          ${repeat(AT_ONCE, (j) => `let v${j} = staged_x(tile, s + ${j * perPass}u, first + k);`)}
          ${repeat(
            AT_ONCE,
            (j) => `if (s + ${j * perPass}u < ${staged}u && lane < ${(perPass * depth) / 4}u) {
            let to = (s + ${j * perPass}u) * ${xStride}u + k;
            ${repeat(4, (l) => `xs[to + ${l}u] = v${j}[${l}];`)}
          }`,
          )}
        }
      }
      for (var i = lane; i < ${(depth / 4) * (columns / 4)}u; i += ${workgroupSize}u) {
        let k = i / ${columns / 4}u * 4u;
        let c = i % ${columns / 4}u * 4u;
        var block = mat4x4f();
        if (first + k < ${fromEnd}u && c < ${toEnd}u) { block = weight_block(t, first + k, c); }
        let to = k * ${wStride}u + c;
        ${repeat(4, (j) => `{ let v = vec4h(block[${j}]); ${repeat(4, (l) => `ws[to + ${j * wStride + l}u] = v[${l}];`)} }`)}
      }
      workgroupBarrier();
      let begin = subgroup * ${rows * side * xStride}u + ${g.transposed ? `(${taps - 1}u - t)` : 't'} * ${shift * xStride}u;
      for (var k = 0u; k < ${depth}u; k += ${side}u) {
        ${repeat(rows, (r) => `let a${r} = subgroupMatrixLoad<Left, row_major>(&xs, begin + ${r * side * xStride}u + k, ${xStride}u);`)}
        ${repeat(
          sums,
          (n) => `{
          let b = subgroupMatrixLoad<Right, row_major>(&ws, k * ${wStride}u + ${n * side}u, ${wStride}u);
          ${repeat(rows, (r) => `${sum(r, n)} = subgroupMatrixMultiplyAccumulate(a${r}, b, ${sum(r, n)});`)}
        }`,
        )}
      }
    }
  }
  let own = subgroup * ${side * cStride}u;
  ${each(
    (r, n) => `
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&cs, own, ${sum(r, n)}, ${cStride}u);
  workgroupBarrier();
  for (var i = member; i < ${(side * side) / 4}u; i += ${subgroupSize}u) {
    let c = ${n * side}u + i % ${side / 4}u * 4u;
    let at = output_at(tile, (subgroup * ${rows}u + ${r}u) * ${side}u + i / ${side / 4}u);
    let begin_ = own + i / ${side / 4}u * ${cStride}u + i % ${side / 4}u * 4u;
    if (at >= 0 && c < ${toEnd}u) {
      finish(u32(at), c, vec4f(cs[begin_], cs[begin_ + 1u], cs[begin_ + 2u], cs[begin_ + 3u]));
    }
  }`,
  )}
}`,
  };
}
