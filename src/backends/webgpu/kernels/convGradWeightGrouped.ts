import type { CallFor } from '../../../graph/planned.js';
import type { Dispatch } from '../shader.js';
import type { Gather } from './convSource.js';
import { prologueText, tapText } from './convSource.js';
import { matrixBytes, pixelsOf, quadsOf, scratchMatrix, WORKGROUP } from './kernel.js';
import { sumRows } from './reduce.js';

type Call = CallFor<'conv2dGradWeight'>;

/** Partial sums of one call at most, bytes. */
const PARTIAL_BYTES = 16 << 20;
/** Pixels an invocation sums at least, while the image is large enough. */
const MIN_PIXELS = 64;
/** Workgroups of the first level at most. */
const MAX_WORKGROUPS = 768;

/** An invocation owns four outputs of one row of the weight, and a stretch of pixels. */
function cutting({ inputs: { gy }, outputs: { gweight }, attrs: { kernel } }: Call) {
  const rows = kernel[0] * kernel[1] * gweight.shape[2];
  const quads = quadsOf(gweight.shape);
  const blocks = rows * quads;
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
  return { rows, quads, blocks, tiles, tileBlocks, pixels, lanes, chunks, stretches, stretchPixels };
}

export const scratchGrouped = (call: Call): number =>
  matrixBytes(cutting(call).stretches * cutting(call).rows, call.outputs.gweight.shape[3]);

/** Convolutions in groups: stretches of pixels, then the stretches in order. */
export function lowerGrouped(call: Call): Dispatch[] {
  const { inputs, outputs, attrs } = call;
  const cut = cutting(call);
  const partial = scratchMatrix(call, 0, cut.stretches * cut.rows, outputs.gweight.shape[3]);
  const [images, oh, ow, cout] = inputs.gy.shape;
  const [, , groupIn] = outputs.gweight.shape;
  const gather: Gather = {
    images,
    height: oh,
    width: ow,
    fromHeight: inputs.x.shape[1],
    fromWidth: inputs.x.shape[2],
    fromChannels: inputs.x.shape[3],
    toChannels: cout,
    taps: attrs.kernel,
    attrs,
    transposed: false,
  };
  const imagePixels = gather.fromHeight * gather.fromWidth;
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
  let c = block % ${cut.quads}u * 4u;
  let row = block / ${cut.quads}u;
  var sum = vec4f(0f);
  var o = vec2i(i32(begin % ${ow}u), i32(begin / ${ow}u % ${oh}u));
  var image = begin / ${oh * ow}u * ${imagePixels}u;
  for (var p = begin; p < end; p++) {
    let at = tap(o, row / ${groupIn}u);
    if (at >= 0) {
      let g = gy_q(p, c);
      for (var j = 0u; j < min(4u, ${cout}u - c); j++) {
        let k = (c + j) / ${cout / attrs.groups}u * ${groupIn}u + row % ${groupIn}u;
        sum[j] += xhat_q(image + u32(at), k / 4u * 4u)[k % 4u] * g[j];
      }
    }
    o.x++;
    if (o.x == ${ow}) {
      o.x = 0;
      o.y++;
      if (o.y == ${oh}) { o.y = 0; image += ${imagePixels}u; }
    }
  }
  partial_sq(stretch * ${cut.rows}u + row, c, sum);
}`,
    },
    sumRows(partial, outputs.gweight, cut.stretches),
  ];
}
