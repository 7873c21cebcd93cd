import type { CallFor, TensorRef } from '../../../graph/planned.js';
import { LOVASZ_BINS } from '../../../ops/lovasz.js';
import type { Dispatch } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { matrixBytes, scratchMatrix, WORKGROUP } from './kernel.js';
import { eachQuad, lossBytes, lossDispatches, type PixelTerm } from './lossRows.js';
import { sampleStruct, sampleText } from './resize.js';

/** A loss over whole classes: errors are counted, every bin of them gets its weight, and pixels look it up. */
type Call = CallFor<'dice'> | CallFor<'lovasz'>;

/** Pixels that one workgroup counts; their numbers stay exact in float32. */
const pixelsPerChunk = 32768;
/** Classes whose counts fit into workgroup memory together: eight bytes a bin of 16 KiB. */
const classesAtOnce = 7;

/**
 * Scratch behind that of the loss: per class and bin a quad of weights (`∂loss/∂p` of a pixel of the class, of others, and
 * what a pixel of the class adds to the loss: a constant, and times p), then statistics per chunk and class (and bin),
 * and their totals.
 */
function layout(call: Call, bins: number) {
  const { labels, logits } = call.inputs;
  const [n, height, width] = labels.shape;
  const classes = logits.shape[3];
  const chunks = Math.ceil((n * height * width) / pixelsPerChunk);
  const table = lossBytes(call);
  const statistics = table + matrixBytes(classes * bins, 4);
  const rows = (chunks + 1) * classes * bins;
  return {
    ...{ pixels: n * height * width, chunks, classes },
    table: scratchMatrix(call, table, classes * bins, 4),
    statistics: scratchMatrix(call, statistics, rows, 4),
    bytes: statistics + matrixBytes(rows, 4),
  };
}

/** `each` for every labelled pixel of a chunk, with `label` and the exponentials `e` of all classes and their `total`. */
function eachPixel({ inputs: { logits, labels }, attrs }: Call, chunk: string, each: string): string {
  const [, h, w, classes] = logits.shape;
  const [n, height, width] = labels.shape;
  const at = (row: string, column: string) => `logits_ld((${row} + ${column}) * ${logits.pixelStride}u + c)`;
  return `
  for (var i = ${chunk} * ${pixelsPerChunk}u + lane; i < min((${chunk} + 1u) * ${pixelsPerChunk}u, ${n * height * width}u); i += ${WORKGROUP}u) {
    let label = labels_ld(i * ${labels.pixelStride}u);
    if (label == ${attrs.ignore}u || label >= ${classes}u) { continue; }
    let sx = column(i % ${width}u);
    let sy = row(i / ${width}u % ${height}u);
    let image = i / ${height * width}u * ${h * w}u;
    let top = image + sy.first * ${w}u;
    let bottom = image + sy.second * ${w}u;
    var e: array<f32, ${classes}>;
    var high = -3.4e38f;
    for (var c = 0u; c < ${classes}u; c++) {
      e[c] = mix(mix(${at('top', 'sx.first')}, ${at('top', 'sx.second')}, sx.weight),
        mix(${at('bottom', 'sx.first')}, ${at('bottom', 'sx.second')}, sx.weight), sy.weight);
      high = max(high, e[c]);
    }
    var total = 0f;
    for (var c = 0u; c < ${classes}u; c++) { e[c] = exp(e[c] - high); total += e[c]; }
    ${each}
  }`;
}

const samples = ({ inputs: { logits, labels }, attrs }: Call): string =>
  `${sampleStruct}${sampleText('row', logits.shape[1], labels.shape[1], attrs)}${sampleText('column', logits.shape[2], labels.shape[2], attrs)}`;

/** The sum of the exponentials of the other classes: `1 − p` keeps its digits near zero that way. */
const restText = (classes: number): string =>
  `var rest = 0f;
      for (var c = 0u; c < ${classes}u; c++) { rest += select(e[c], 0f, c == label); }`;

const binText = (error: string): string => `min(${LOVASZ_BINS - 1}u, u32(${LOVASZ_BINS}f * sqrt(${error})))`;

/** Per class: pixels, the sum of their p, and of all pixels' p; each lane adds its own pixels, then the lanes in a tree. */
function diceSums(call: Call): Dispatch {
  const { chunks, classes, statistics } = layout(call, 1);
  return {
    tensors: { ...call.inputs, statistics },
    workgroupSize: WORKGROUP,
    workgroups: chunks,
    code: `${samples(call)}
var<workgroup> parts: array<vec4f, ${WORKGROUP}>;
fn body(group: u32, lane: u32) {
  var sums: array<vec4f, ${classes}>;
  ${eachPixel(
    call,
    'group',
    `for (var c = 0u; c < ${classes}u; c++) {
      let p = e[c] / total;
      let mine = f32(c == label);
      sums[c] += vec4f(mine, mine * p, p, 0f);
    }`,
  )}
  for (var c = 0u; c < ${classes}u; c++) {
    parts[lane] = sums[c];
    workgroupBarrier();
    for (var half = ${WORKGROUP / 2}u; half > 0u; half >>= 1u) {
      if (lane < half) { parts[lane] += parts[lane + half]; }
      workgroupBarrier();
    }
    if (lane == 0u) { statistics_sq(group * ${classes}u + c, 0u, parts[0]); }
    workgroupBarrier();
  }
}`,
  };
}

/** Weights of all classes by the sums of all chunks, one invocation a class. */
function diceTable(call: Call): Dispatch {
  const { chunks, classes, statistics, table } = layout(call, 1);
  return {
    tensors: { statistics, table },
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(classes / WORKGROUP),
    code: `
fn body(group: u32, lane: u32) {
  let c = group * ${WORKGROUP}u + lane;
  if (c >= ${classes}u) { return; }
  var present = 0f;
  var sum = vec4f(0f);
  for (var other = 0u; other < ${classes}u; other++) {
    var each = vec4f(0f);
    for (var k = 0u; k < ${chunks}u; k++) { each += statistics_q(k * ${classes}u + other, 0u); }
    present += select(0f, 1f, each.x > 0f);
    if (other == c) { sum = each; }
  }
  var weights = vec4f(0f);
  if (sum.x > 0f) {
    let each = 2f / (present * (sum.x + sum.z));
    let share = sum.y / (sum.x + sum.z);
    weights = vec4f(each * (share - 1f), each * share, 1f / (present * sum.x), -each);
  }
  table_sq(c, 0u, weights);
}`,
  };
}

/** Errors of a few classes at a time counted in workgroup memory: sums of integers, so their order does not matter. */
function lovaszCounts(call: Call): Dispatch {
  const { chunks, classes, statistics } = layout(call, LOVASZ_BINS);
  const groups = Math.ceil(classes / classesAtOnce);
  const atOnce = Math.min(classes, classesAtOnce);
  return {
    tensors: { ...call.inputs, statistics },
    workgroupSize: WORKGROUP,
    workgroups: chunks * groups,
    code: `${samples(call)}
var<workgroup> counts: array<atomic<u32>, ${atOnce * LOVASZ_BINS * 2}>;
fn body(group: u32, lane: u32) {
  for (var i = lane; i < ${atOnce * LOVASZ_BINS * 2}u; i += ${WORKGROUP}u) { atomicStore(&counts[i], 0u); }
  workgroupBarrier();
  let chunk = group / ${groups}u;
  let first = group % ${groups}u * ${classesAtOnce}u;
  let last = min(first + ${classesAtOnce}u, ${classes}u);
  ${eachPixel(
    call,
    'chunk',
    `${restText(classes)}
    for (var c = first; c < last; c++) {
      let mine = c == label;
      let bin = ${binText('select(e[c], rest, mine) / total')};
      atomicAdd(&counts[((c - first) * ${LOVASZ_BINS}u + bin) * 2u + select(1u, 0u, mine)], 1u);
    }`,
  )}
  workgroupBarrier();
  for (var i = lane; i < (last - first) * ${LOVASZ_BINS}u; i += ${WORKGROUP}u) {
    let both = vec4f(f32(atomicLoad(&counts[2u * i])), f32(atomicLoad(&counts[2u * i + 1u])), 0f, 0f);
    statistics_sq((chunk * ${classes}u + first) * ${LOVASZ_BINS}u + i, 0u, both);
  }
}`,
  };
}

/** The counts of all chunks, one invocation a class and bin. */
function lovaszTotals(call: Call): Dispatch {
  const { chunks, classes, statistics } = layout(call, LOVASZ_BINS);
  const cells = classes * LOVASZ_BINS;
  return {
    tensors: { statistics },
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(cells / WORKGROUP),
    code: `
fn body(group: u32, lane: u32) {
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${cells}u) { return; }
  var sum = vec4f(0f);
  for (var k = 0u; k < ${chunks}u; k++) { sum += statistics_q(k * ${cells}u + i, 0u); }
  statistics_sq(${chunks * cells}u + i, 0u, sum);
}`,
  };
}

/** Weights of a class by its bins from the largest error down, one workgroup a class, in which one lane does the sums. */
function lovaszTable(call: Call): Dispatch {
  const { chunks, classes, statistics, table } = layout(call, LOVASZ_BINS);
  const totals = chunks * classes * LOVASZ_BINS;
  return {
    tensors: { statistics, table },
    workgroupSize: WORKGROUP,
    workgroups: classes,
    code: `
var<workgroup> present: array<f32, ${WORKGROUP}>;
fn pixelsOf(c: u32) -> f32 {
  var sum = 0f;
  for (var bin = 0u; bin < ${LOVASZ_BINS}u; bin++) { sum += statistics_q(${totals}u + c * ${LOVASZ_BINS}u + bin, 0u).x; }
  return sum;
}
fn body(group: u32, lane: u32) {
  var mine = 0f;
  for (var c = lane; c < ${classes}u; c += ${WORKGROUP}u) { mine += select(0f, 1f, pixelsOf(c) > 0f); }
  present[lane] = mine;
  workgroupBarrier();
  if (lane > 0u) { return; }
  var all = 0f;
  for (var k = 0u; k < ${WORKGROUP}u; k++) { all += present[k]; }
  var hit = pixelsOf(group);
  var missed = hit;
  for (var k = 0u; k < ${LOVASZ_BINS}u; k++) {
    let i = group * ${LOVASZ_BINS}u + ${LOVASZ_BINS - 1}u - k;
    let both = statistics_q(${totals}u + i, 0u);
    var weights = vec4f(0f);
    if (missed > 0f) {
      let after = missed + both.y;
      weights.x = -(1f / missed + 1f / after) / (2f * all);
      weights.y = (hit - 0.5f * both.x) / missed / after / all;
    }
    table_sq(i, 0u, weights);
    hit -= both.x;
    missed += both.y;
  }
}`,
  };
}

/** What a pixel takes from the table. */
function tableTerm(call: Call, bins: number, table: TensorRef): PixelTerm {
  const classes = call.inputs.logits.shape[3];
  const each = (text: (q: number) => string) => eachQuad(classes, text);
  const inside = (q: number) => [0, 1, 2, 3].filter((k) => 4 * q + k < classes);
  const bin = bins === 1 ? '0u' : binText('select(p, rest / total, mine)');
  const value = (name: string, q: number) =>
    `vec4f(${[0, 1, 2, 3].map((k) => (4 * q + k < classes ? `${name}[${4 * q + k}]` : '0f')).join(', ')})`;
  return {
    tensors: { table },
    mean: false,
    pixel: `var e: array<f32, ${classes}>;
      ${each((q) =>
        inside(q)
          .map((k) => `e[${4 * q + k}] = e${q}[${k}];`)
          .join(' '),
      )}
      ${restText(classes)}
      var u: array<f32, ${classes}>;
      var all = 0f;
      var loss = 0f;
      for (var c = 0u; c < ${classes}u; c++) {
        let mine = c == label;
        let p = e[c] / total;
        let weights = table_q(c * ${bins}u + ${bin}, 0u);
        let slope = select(weights.y, weights.x, mine);
        u[c] = p * slope;
        all += u[c];
        loss += ${bins === 1 ? 'select(0f, weights.z + p * weights.w, mine)' : 'abs(slope) * select(p, rest / total, mine)'};
      }
      ${each((q) => `let g${q} = ${value('u', q)} - e${q} / total * all;`)}
      let weight = 1f;
      own += vec4f(loss, 1f, 0f, 0f);`,
  };
}

export const dice: GpuKernel<'dice'> = {
  scratch: (call) => layout(call, 1).bytes,
  lower: (call) => [
    diceSums(call),
    diceTable(call),
    ...lossDispatches(call, tableTerm(call, 1, layout(call, 1).table)),
  ],
};

export const lovasz: GpuKernel<'lovasz'> = {
  scratch: (call) => layout(call, LOVASZ_BINS).bytes,
  lower: (call) => [
    lovaszCounts(call),
    lovaszTotals(call),
    lovaszTable(call),
    ...lossDispatches(call, tableTerm(call, LOVASZ_BINS, layout(call, LOVASZ_BINS).table)),
  ],
};
