import type { CallFor } from '../../../graph/planned.js';
import type { Dispatch } from '../shader.js';
import type { Gather } from './convSource.js';
import { prologueText, tapText } from './convSource.js';
import { matrixBytes, pixelsOf, quadsOf, scratchMatrix, WORKGROUP } from './kernel.js';

type Call = CallFor<'conv2dGradWeight'>;

/** Partial sums of one call at most, bytes. */
const PARTIAL_BYTES = 16 << 20;
/** Pixels an invocation sums at least, while the image is large enough. */
const MIN_PIXELS = 64;
/** Workgroups of the first level at most. */
const MAX_WORKGROUPS = 768;
/** Taps whose sums one invocation keeps: 4 × 4 channels each. */
const MAX_TAPS = 3;
const FINISH_QUADS = 32;
const FINISH_LANES = WORKGROUP / FINISH_QUADS;

/**
 * First level: an invocation owns a block of the weight (4 inputs × 4 outputs × up to 3 taps) and a stretch of pixels.
 * Second level: the stretches are summed in order.
 */
function cutting({ inputs: { x, gy }, outputs: { gweight }, attrs: { groups, kernel } }: Call) {
  const taps = kernel[0] * kernel[1];
  const [, , groupIn] = gweight.shape;
  const rows = taps * groupIn;
  const quads = quadsOf(gweight.shape);
  const tapsEach = Math.min(MAX_TAPS, taps);
  const fromQuads = quadsOf(x.shape);
  const blocks = groups === 1 ? Math.ceil(taps / tapsEach) * fromQuads * quads : rows * quads;
  const tiles = Math.ceil(blocks / (WORKGROUP / 2));
  const tileBlocks = Math.ceil(blocks / tiles);
  const pixels = pixelsOf(gy.shape);
  const most = Math.max(1, Math.floor(PARTIAL_BYTES / matrixBytes(rows, gweight.shape[3])));
  const lanes = Math.min(Math.floor(WORKGROUP / tileBlocks), most);
  const wanted = Math.min(
    Math.ceil(pixels / MIN_PIXELS),
    most,
    lanes * Math.max(1, Math.floor(MAX_WORKGROUPS / tiles)),
  );
  const chunks = Math.max(1, Math.floor(wanted / lanes));
  const stretches = chunks * lanes;
  const stretchPixels = Math.ceil(pixels / stretches);
  return {
    ...{ taps, groupIn, rows, quads, tapsEach, fromQuads, blocks, tiles, tileBlocks, pixels },
    ...{ lanes, chunks, stretches, stretchPixels },
  };
}

export const scratchGradWeight = (call: Call): number =>
  matrixBytes(cutting(call).stretches * cutting(call).rows, call.outputs.gweight.shape[3]);

const repeat = (count: number, text: (k: number) => string): string =>
  Array.from({ length: count }, (_, k) => text(k)).join('\n');

export function lowerGradWeight(call: Call): Dispatch[] {
  const { inputs, outputs, attrs } = call;
  const cut = cutting(call);
  const partial = scratchMatrix(call, 0, cut.stretches * cut.rows, outputs.gweight.shape[3]);
  const [images, oh, ow] = inputs.gy.shape;
  const gather: Gather = {
    images,
    height: oh,
    width: ow,
    fromHeight: inputs.x.shape[1],
    fromWidth: inputs.x.shape[2],
    fromChannels: inputs.x.shape[3],
    toChannels: outputs.gweight.shape[3],
    taps: attrs.kernel,
    attrs,
    transposed: false,
  };
  const block = attrs.groups === 1 ? denseBlock(call, cut) : groupedBlock(call, cut);
  return [
    {
      tensors: { ...inputs, partial },
      workgroupSize: cut.tileBlocks * cut.lanes,
      workgroups: cut.chunks * cut.tiles,
      code: `${prologueText(inputs, attrs.normalize)}
${tapText(gather)}
fn body(group: u32, lane: u32) {
  let block = group % ${cut.tiles}u * ${cut.tileBlocks}u + lane % ${cut.tileBlocks}u;
  if (block >= ${cut.blocks}u) { return; }
  let stretch = group / ${cut.tiles}u * ${cut.lanes}u + lane / ${cut.tileBlocks}u;
  let begin = min(stretch * ${cut.stretchPixels}u, ${cut.pixels}u);
  let end = min(begin + ${cut.stretchPixels}u, ${cut.pixels}u);
  ${block.before}
  var o = vec2i(i32(begin % ${ow}u), i32(begin / ${ow}u % ${oh}u));
  var image = begin / ${oh * ow}u * ${gather.fromHeight * gather.fromWidth}u;
  for (var p = begin; p < end; p++) {
    ${block.each}
    o.x++;
    if (o.x == ${ow}) {
      o.x = 0;
      o.y++;
      if (o.y == ${oh}) { o.y = 0; image += ${gather.fromHeight * gather.fromWidth}u; }
    }
  }
  ${block.after}
}`,
    },
    {
      tensors: { partial, gweight: outputs.gweight },
      workgroupSize: WORKGROUP,
      workgroups: Math.ceil((cut.rows * cut.quads) / FINISH_QUADS),
      code: `
var<workgroup> sums: array<vec4f, ${WORKGROUP}>;
fn body(group: u32, lane: u32) {
  let i = group * ${FINISH_QUADS}u + lane % ${FINISH_QUADS}u;
  let row = i / ${cut.quads}u;
  let c = i % ${cut.quads}u * 4u;
  var sum = vec4f(0f);
  if (row < ${cut.rows}u) {
    for (var k = lane / ${FINISH_QUADS}u; k < ${cut.stretches}u; k += ${FINISH_LANES}u) {
      sum += partial_q(k * ${cut.rows}u + row, c);
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane < ${FINISH_QUADS}u && row < ${cut.rows}u) {
    for (var k = 1u; k < ${FINISH_LANES}u; k++) { sum += sums[lane + k * ${FINISH_QUADS}u]; }
    gweight_sq(row, c, sum);
  }
}`,
    },
  ];
}

interface BlockText {
  readonly before: string;
  /** For pixel `p` of `gy` at `o` of its image; `image`: first pixel of the same image of `x`. */
  readonly each: string;
  readonly after: string;
}

function denseBlock({ inputs: { x } }: Call, cut: ReturnType<typeof cutting>): BlockText {
  const { tapsEach, taps, fromQuads, quads, rows } = cut;
  const inputsOf = (text: (t: number, i: number) => string) =>
    repeat(tapsEach, (t) => repeat(Math.min(4, x.shape[3]), (i) => text(t, i)));
  const live = (t: number) => (taps % tapsEach === 0 ? 'true' : `firstTap + ${t}u < ${taps}u`);
  return {
    before: `let c = block % ${quads}u * 4u;
  let k = block / ${quads}u % ${fromQuads}u * 4u;
  let firstTap = block / ${quads * fromQuads}u * ${tapsEach}u;
  ${inputsOf((t, i) => `var a${t}_${i} = vec4f(0f);`)}`,
    each: `let g = gy_q(p, c);
    ${repeat(
      tapsEach,
      (t) => `let at${t} = tap(o, firstTap + ${t}u);
    if (at${t} >= 0) {
      let v = xhat_q(image + u32(at${t}), k);
      ${repeat(Math.min(4, x.shape[3]), (i) => `a${t}_${i} = fma(vec4f(v[${i}]), g, a${t}_${i});`)}
    }`,
    )}`,
    after: inputsOf((t, i) => {
      const inside = `${live(t)} && k + ${i}u < ${x.shape[3]}u`;
      const row = `stretch * ${rows}u + (firstTap + ${t}u) * ${x.shape[3]}u + k + ${i}u`;
      return `if (${inside}) { partial_sq(${row}, c, a${t}_${i}); }`;
    }),
  };
}

function groupedBlock(
  { inputs: { gy }, attrs: { groups } }: Call,
  cut: ReturnType<typeof cutting>,
): BlockText {
  const { quads, groupIn, rows } = cut;
  const cout = gy.shape[3];
  return {
    before: `let c = block % ${quads}u * 4u;
  let row = block / ${quads}u;
  var sum = vec4f(0f);`,
    each: `let at = tap(o, row / ${groupIn}u);
    if (at >= 0) {
      let g = gy_q(p, c);
      for (var j = 0u; j < min(4u, ${cout}u - c); j++) {
        let k = (c + j) / ${cout / groups}u * ${groupIn}u + row % ${groupIn}u;
        sum[j] += xhat_q(image + u32(at), k / 4u * 4u)[k % 4u] * g[j];
      }
    }`,
    after: `partial_sq(stretch * ${rows}u + row, c, sum);`,
  };
}
