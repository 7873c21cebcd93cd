import type { CallFor, TensorRef } from '../../../graph/planned.js';
import type { LossAttrs } from '../../../ops/loss.js';
import type { Dispatch } from '../shader.js';
import { matrixBytes, perQuad, scratchMatrix, WORKGROUP } from './kernel.js';
import { cellText, sampleStruct, sampleText } from './resize.js';

/** A loss of coarse logits against labels. */
export type LossCall = CallFor<'crossEntropy' | 'focal' | 'dice' | 'lovasz'>;

/** What one labelled pixel adds to a loss, as WGSL. */
export interface PixelTerm {
  readonly tensors?: Dispatch['tensors'];
  readonly declarations?: string;
  /**
   * Given of a pixel: `label`, per quad of classes its logits `z0`, …, exponentials `e0`, … of them less `high`, their
   * sum `total`, and its place `image`, `y`, `column_`. Defines per quad `g0`, …, and `weight`: `weight·g` is the gradient of
   * the loss with respect to the logits. Adds `vec4f(loss, weight, 0f, 0f)` to `own`.
   */
  readonly pixel: string;
  /** Whether the result is the mean by weight; else the sum is. */
  readonly mean: boolean;
}

/** Logit columns that one workgroup exchanges gradients between: limited by workgroup memory. */
const columnsOf = (classes: number): number => Math.max(2, Math.min(64, Math.floor(3800 / classes)));

/** Workgroups along a row of labels; the first invocation of each repeats the last column of the one before. */
const tilesOf = ([, , w, classes]: TensorRef['shape']): number => Math.ceil(w / (columnsOf(classes) - 1));

/** Gathered gradients of the images that are taken at a time at most, bytes, unless one has more. */
const GATHER_BYTES = 64 << 20;

/** Scratch: horizontally gathered gradients of a few images, then loss and weight of every workgroup. */
function layout({ inputs: { logits, labels } }: LossCall) {
  const [n, , w, classes] = logits.shape;
  const height = labels.shape[1];
  const sumRows = n * height * tilesOf(logits.shape);
  const imageBytes = matrixBytes(height * w, classes);
  const most = Math.max(1, Math.floor(GATHER_BYTES / imageBytes));
  const images = Math.ceil(n / Math.ceil(n / most));
  return {
    images,
    gatherRows: images * height * w,
    sumRows,
    sumsAt: images * imageBytes,
    bytes: images * imageBytes + matrixBytes(sumRows, 4),
  };
}

/** Bytes of scratch of {@link lossDispatches}. */
export const lossBytes = (call: LossCall): number => layout(call).bytes;

export const eachQuad = (classes: number, text: (q: number) => string): string =>
  Array.from({ length: Math.ceil(classes / 4) }, (_, q) => text(q)).join('\n');

/** A vector of `inside` for the classes of a quad, and of `outside` beyond the last. */
export const lanes = (classes: number, q: number, inside: string, outside: string): string =>
  `vec4f(${[0, 1, 2, 3].map((k) => (4 * q + k < classes ? inside : outside)).join(', ')})`;

/**
 * A few images at a time: each invocation takes the label pixels of one row whose logits lie between two columns, and adds up what
 * they send to the two; neighbours swap halves, so that a row of labels leaves one gradient per column. A second
 * dispatch gathers the rows. Sums have a fixed order: no atomics.
 */
export function lossDispatches(call: LossCall, term: PixelTerm): Dispatch[] {
  const { logits } = call.inputs;
  const { loss, glogits } = call.outputs;
  const { images: each, gatherRows, sumRows, sumsAt } = layout(call);
  const gathered = scratchMatrix(call, 0, gatherRows, logits.shape[3]);
  const sums = scratchMatrix(call, sumsAt, sumRows, 4);
  const [n] = logits.shape;
  const parts = Array.from({ length: Math.ceil(n / each) }, (_, i) => {
    const images = [i * each, Math.min(n, (i + 1) * each)] as const;
    return [rowsOf(call, term, images, gathered, sums), gatherRowsOf(call, images, gathered)];
  });
  const dispatches = [...parts.flat(), totalLoss(sums, sumRows, loss, term.mean)];
  if (!term.mean) return dispatches;
  return [
    ...dispatches,
    perQuad(
      glogits.shape,
      { glogits, loss },
      `let w = loss_ld(1u); glogits_sq(p, c, select(glogits_q(p, c) / w, vec4f(0f), w <= 0f));`,
    ),
  ];
}

/** From the first image to the one after the last. */
type Images = readonly [from: number, to: number];

function rowsOf(
  { inputs: { logits, labels }, attrs }: LossCall,
  term: PixelTerm,
  [from, to]: Images,
  gathered: TensorRef,
  sums: TensorRef,
): Dispatch {
  const { ignore }: LossAttrs = attrs;
  const [, h, w, classes] = logits.shape;
  const [, height, width] = labels.shape;
  const columns = columnsOf(classes);
  const tiles = tilesOf(logits.shape);
  const quads = Math.ceil(classes / 4);
  const each = (text: (q: number) => string) => eachQuad(classes, text);
  // Channels beyond the last class must not win the maximum nor add to the sum.
  const exists = (q: number) => lanes(classes, q, '1f', '0f');
  const beyond = (q: number) => lanes(classes, q, '0f', '-3e38f');
  return {
    tensors: { ...term.tensors, logits, labels, gathered, sums },
    workgroupSize: columns,
    workgroups: (to - from) * height * tiles,
    code: `${sampleStruct}${sampleText('row', h, height, attrs)}${sampleText('column', w, width, attrs)}${cellText('cell', w, width, attrs)}${term.declarations ?? ''}
var<workgroup> halves: array<vec4f, ${columns * quads}>;
var<workgroup> losses: array<vec4f, ${columns}>;
fn body(group: u32, lane: u32) {
  let image = ${from}u + group / ${height * tiles}u;
  let y = group / ${tiles}u % ${height}u;
  let x = group % ${tiles}u * ${columns - 1}u + lane - 1u;
  ${each((q) => `var left${q} = vec4f(0f); var right${q} = vec4f(0f);`)}
  var own = vec4f(0f);
  if (x < ${w}u) {
    let sy = row(y);
    let top = image * ${h * w}u + sy.first * ${w}u;
    let bottom = image * ${h * w}u + sy.second * ${w}u;
    let next = min(x + 1u, ${w - 1}u);
    ${each(
      (q) => `let from${q} = mix(logits_q(top + x, ${4 * q}u), logits_q(bottom + x, ${4 * q}u), sy.weight);
    let to${q} = mix(logits_q(top + next, ${4 * q}u), logits_q(bottom + next, ${4 * q}u), sy.weight);`,
    )}
    let end = select(cell(x + 1u), ${width}u, x == ${w - 1}u);
    for (var column_ = cell(x); column_ < end; column_++) {
      let label = labels_ld((image * ${height}u + y) * ${width}u + column_);
      if (label == ${ignore}u || label >= ${classes}u) { continue; }
      let wx = column(column_).weight;
      ${each((q) => `let z${q} = mix(from${q}, to${q}, wx);`)}
      var high4 = ${beyond(0)} + z0;
      ${each((q) => (q === 0 ? '' : `high4 = max(high4, z${q} + ${beyond(q)});`))}
      let high = max(max(high4.x, high4.y), max(high4.z, high4.w));
      var total4 = vec4f(0f);
      ${each(
        (q) => `let e${q} = exp(z${q} - high) * ${exists(q)};
      total4 += e${q};`,
      )}
      let total = total4.x + total4.y + total4.z + total4.w;
      ${term.pixel}
      let toRight = weight * wx;
      let toLeft = weight - toRight;
      ${each(
        (q) => `left${q} += toLeft * g${q};
      right${q} += toRight * g${q};`,
      )}
    }
  }
  ${each((q) => `halves[lane * ${quads}u + ${q}u] = right${q};`)}
  losses[lane] = own;
  workgroupBarrier();
  if (lane > 0u && x < ${w}u) {
    ${each(
      (q) => `{
      let own = left${q} + select(vec4f(0f), right${q}, x == ${w - 1}u);
      gathered_sq(((image - ${from}u) * ${height}u + y) * ${w}u + x, ${4 * q}u, own + halves[(lane - 1u) * ${quads}u + ${q}u]);
    }`,
    )}
  }
  if (lane == 0u) {
    var sum = vec4f(0f);
    for (var k = 1u; k < ${columns}u; k++) { sum += losses[k]; }
    sums_sq(${from * height * tiles}u + group, 0u, sum);
  }
}`,
  };
}

function gatherRowsOf(
  { inputs: { labels }, outputs: { glogits }, attrs }: LossCall,
  [from, to]: Images,
  gathered: TensorRef,
): Dispatch {
  const [, h, w, classes] = glogits.shape;
  const height = labels.shape[1];
  return perQuad(
    [to - from, h, w, classes],
    { gathered, glogits },
    `let x = p % ${w}u;
  let y = p / ${w}u % ${h}u;
  let first = p / ${h * w}u * ${height}u;
  var sum = vec4f(0f);
  let end = select(cell(y + 1u), ${height}u, y == ${h - 1}u);
  for (var o = cell(max(y, 1u) - 1u); o < end; o++) {
    let s = row(o);
    let weight = select(0f, 1f - s.weight, s.first == y) + select(0f, s.weight, s.second == y);
    sum += weight * gathered_q((first + o) * ${w}u + x, c);
  }
  glogits_sq(${from * h * w}u + p, c, sum);`,
    `${sampleStruct}${sampleText('row', h, height, attrs)}${cellText('cell', h, height, attrs)}`,
  );
}

function totalLoss(sums: TensorRef, rows: number, loss: TensorRef, mean: boolean): Dispatch {
  return {
    tensors: { sums, loss },
    workgroupSize: WORKGROUP,
    workgroups: 1,
    code: `
var<workgroup> parts: array<vec4f, ${WORKGROUP}>;
fn body(group: u32, lane: u32) {
  var sum = vec4f(0f);
  for (var k = lane; k < ${rows}u; k += ${WORKGROUP}u) { sum += sums_q(k, 0u); }
  parts[lane] = sum;
  workgroupBarrier();
  for (var half = ${WORKGROUP / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) { parts[lane] += parts[lane + half]; }
    workgroupBarrier();
  }
  if (lane == 0u) {
    let weight = parts[0].y;
    loss_st(0u, ${mean ? 'select(parts[0].x / weight, 0f, weight <= 0f)' : 'parts[0].x'});
    loss_st(1u, weight);
  }
}`,
  };
}
