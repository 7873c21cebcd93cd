import type { CallFor } from '../../../graph/planned.js';
import { planeBytes } from '../abi.js';
import type { Pieces, Stage, WasmKernel } from '../stage.js';
import { cut, pointer, scratchPointer } from '../stage.js';
import { tapsOf } from './forward.js';
import { inputArgs, planWindow, quadsOf } from './geometry.js';
import type { WinogradForm } from './winograd1d.js';
import { winogradBytes, winogradForm, winogradGradPieces, winogradGradStages } from './winograd1d.js';

type GradWeight = CallFor<'conv2dGradWeight'>;

export const conv2dGradWeight: WasmKernel<'conv2dGradWeight'> = {
  scratchBytes: (call) => {
    const form = formOf(call);
    if (!form) return call.attrs.groups * piecesOf(call).chunks * partialBytes(call);
    const [, , inputs, outputs] = call.outputs.gweight.shape;
    return winogradPiecesOf(form, call).chunks * winogradBytes(form, { inputs, outputs });
  },
  lower: (call) => {
    const form = formOf(call);
    if (!form) return directStages(call);
    const { inputs, outputs } = call;
    return winogradGradStages(
      form,
      winogradPiecesOf(form, call),
      inputs,
      outputs.gweight,
      scratchPointer(call),
    );
  },
};

function formOf({ inputs: { gy }, outputs: { gweight }, attrs }: GradWeight): WinogradForm | undefined {
  const [kh, kw, cin, cout] = gweight.shape;
  return winogradForm([kh, kw], attrs, [cin, cout], [gy.shape[1], gy.shape[2]]);
}

function winogradPiecesOf(form: WinogradForm, { inputs: { gy }, outputs: { gweight } }: GradWeight): Pieces {
  const [, , inputs, outputs] = gweight.shape;
  return winogradGradPieces(form, gy, { inputs, outputs }, mostBytes);
}

/** Partial sums of all chunks together stay below this, unless one alone is larger. */
const mostBytes = 2 ** 22;
const mostChunks = 32;
const leastFlops = 4e6;

/** Bytes of one chunk's partial sums: all weights of one group. */
function partialBytes({ outputs: { gweight }, attrs: { groups } }: GradWeight): number {
  const [kh, kw, inputs, outputs] = gweight.shape;
  return 64 * kh * kw * quadsOf(inputs) * quadsOf(outputs / groups);
}

/** Rows of `gy` in chunks, for each group. */
function piecesOf(call: GradWeight): Pieces {
  const { gy } = call.inputs;
  const { gweight } = call.outputs;
  const { groups } = call.attrs;
  const flopsPerRow = (2 * gy.shape[2] * gweight.shape.reduce((a, b) => a * b)) / groups;
  const fitting = Math.floor(mostBytes / (groups * partialBytes(call)));
  const most = Math.max(1, Math.min(mostChunks, fitting));
  return cut(gy.shape[0] * gy.shape[1], leastFlops / flopsPerRow, most);
}

function directStages(call: GradWeight): Stage[] {
  const { x, gy, ...prologue } = call.inputs;
  const { gweight } = call.outputs;
  const { stride, padding, dilation, groups, normalize } = call.attrs;
  const [kh, kw, inputs, allOutputs] = gweight.shape;
  const outputs = allOutputs / groups;
  const taps = tapsOf(kh, kw).map(({ ky, kx }) => ({
    y: ky * dilation[0] - padding[0],
    x: kx * dilation[1] - padding[1],
  }));
  const window = planWindow(taps, stride, inputs, gy.shape[2]);
  const { per, chunks } = piecesOf(call);
  const partials = scratchPointer(call);
  const bytes = partialBytes(call);

  return [
    {
      kernel: 'convGradWeight',
      chunks: groups * chunks,
      localBytes: window.bytes + quadsOf(outputs) * planeBytes,
      args: {
        input: inputArgs(x, groups, prologue, normalize),
        window: window.args,
        gradient: inputArgs(gy, groups),
        ...{ block: window.block, totalRows: gy.shape[0] * gy.shape[1], rowsPerChunk: per },
        ...{ chunksPerGroup: chunks, partials, partialBytes: bytes },
        ...{ planes: window.table.length, table: window.table, inputBytes: window.bytes },
      },
    },
    {
      kernel: 'convReduceWeights',
      chunks: groups * kh * kw,
      args: {
        ...{ partials, partialBytes: bytes, chunksPerGroup: chunks, taps: kh * kw, inputs, outputs },
        ...{ gw: pointer(gweight), rowBytes: 4 * allOutputs },
      },
    },
  ];
}
