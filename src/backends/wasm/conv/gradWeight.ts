import type { CallFor } from '../../../graph/planned.js';
import { planeBytes } from '../abi.js';
import type { Pieces, Stage, WasmKernel } from '../stage.js';
import { cut, pointer, scratchPointer } from '../stage.js';
import type { Algorithm } from './algorithm.js';
import { winograd1dName, winogradForm } from './algorithm.js';
import { inputArgs, octsOf, planWindow, quadsOf, tapsOf } from './geometry.js';
import { winogradBytes, winogradGradPieces, winogradGradStages } from './winograd1d.js';

type GradWeight = CallFor<'conv2dGradWeight'>;

export const conv2dGradWeight: WasmKernel<'conv2dGradWeight'> = {
  algorithm: (call) => chosen(call).name,
  scratchBytes: (call) => chosen(call).scratchBytes,
  lower: (call, threads) => chosen(call).stages(scratchPointer(call), threads),
};

function chosen(call: GradWeight): Algorithm {
  const { inputs, outputs, attrs } = call;
  const { gweight } = outputs;
  const [kh, kw, cin, cout] = gweight.shape;
  const [, height, width] = inputs.gy.shape;
  const form = winogradForm({ ...attrs, kernel: [kh, kw], channels: [cin, cout], size: [height, width] });
  if (!form) {
    const scratchBytes = attrs.groups * piecesOf(call).chunks * partialBytes(call);
    return { name: 'direct', scratchBytes, stages: (at) => directStages(call, at) };
  }
  const channels = { inputs: cin, outputs: cout };
  const pieces = winogradGradPieces(form, inputs.gy, channels, mostBytes);
  return {
    name: winograd1dName(form),
    scratchBytes: pieces.chunks * winogradBytes(form, channels),
    stages: (at) => winogradGradStages(form, pieces, inputs, gweight, at),
  };
}

/** Partial sums of all chunks together stay below this, unless one alone is larger. */
const mostBytes = 2 ** 22;
const mostChunks = 32;
const leastFlops = 4e6;

/** Bytes of one chunk's partial sums: all weights of one group. */
function partialBytes({ outputs: { gweight }, attrs: { groups } }: GradWeight): number {
  const [kh, kw, inputs, outputs] = gweight.shape;
  return 128 * kh * kw * quadsOf(inputs) * octsOf(outputs / groups);
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

function directStages(call: GradWeight, partials: number): Stage[] {
  const { x, gy, ...prologue } = call.inputs;
  const { gweight } = call.outputs;
  const { stride, padding, dilation, groups, normalize } = call.attrs;
  const [kh, kw, inputs, allOutputs] = gweight.shape;
  const outputs = allOutputs / groups;
  const taps = tapsOf(gweight).map(({ ky, kx }) => ({
    y: ky * dilation[0] - padding[0],
    x: kx * dilation[1] - padding[1],
  }));
  const window = planWindow(taps, stride, inputs, gy.shape[2]);
  const { span, chunks } = piecesOf(call);
  const bytes = partialBytes(call);

  return [
    {
      kernel: 'convGradWeight',
      chunks: groups * chunks,
      localBytes: window.bytes + octsOf(outputs) * planeBytes,
      args: {
        input: inputArgs(x, groups, prologue, normalize),
        window: window.args,
        gradient: inputArgs(gy, groups),
        ...{ block: window.block, span, chunksPerGroup: chunks, partials, partialBytes: bytes },
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
