import type { CallFor, TensorRef } from '../../../graph/planned.js';
import type { Stage, WasmKernel } from '../stage.js';
import { scratchPointer } from '../stage.js';
import type { WeightSteps } from './direct.js';
import { directStages, packedWeightBytes } from './direct.js';
import { tapsOf } from './forward.js';
import type { WinogradForm } from './winograd1d.js';
import { winogradBytes, winogradForm, winogradStages } from './winograd1d.js';
import { isWinograd2d, winograd2dBytes, winograd2dStages } from './winograd2d.js';

type GradInput = CallFor<'conv2dGradInput'>;

export const conv2dGradInput: WasmKernel<'conv2dGradInput'> = {
  scratchBytes: (call) => {
    const { weight } = call.inputs;
    const [kh, kw, inputs, outputs] = weight.shape;
    if (isWinograd2dCall(call)) return winograd2dBytes({ inputs: outputs, outputs: inputs });
    const form = formOf(call);
    if (form) return winogradBytes(form, { inputs: outputs, outputs: inputs });
    return packedWeightBytes(stepsOf(weight, call.attrs.groups), call.attrs.groups, kh * kw);
  },
  lower: (call) => {
    const { gy, weight, acc } = call.inputs;
    const conv = { x: gy, y: call.outputs.gx, residual: acc, steps: stepsOf(weight, 1) };
    if (isWinograd2dCall(call))
      return winograd2dStages(conv, flippedPadding(call), true, scratchPointer(call));
    const form = formOf(call);
    if (!form) return stagesOf(call);
    return winogradStages(form, conv, true, scratchPointer(call));
  },
};

/** With stride 1 the gradient is a convolution by the flipped kernel, padded by `d·(k − 1) − p`. */
function flippedPadding({ inputs: { weight }, attrs }: GradInput): [number, number] {
  const padding = (axis: 0 | 1) => attrs.dilation[axis] * (weight.shape[axis] - 1) - attrs.padding[axis];
  return [padding(0), padding(1)];
}

function isWinograd2dCall({ inputs: { weight }, outputs: { gx }, attrs }: GradInput): boolean {
  const [kh, kw, cin, cout] = weight.shape;
  return isWinograd2d([kh, kw], attrs, [cout, cin], [gx.shape[1], gx.shape[2]]);
}

function formOf(call: GradInput): WinogradForm | undefined {
  const { attrs, inputs, outputs } = call;
  const { weight } = inputs;
  const { gx } = outputs;
  const [kh, kw, cin, cout] = weight.shape;
  const flipped = { ...attrs, padding: flippedPadding(call) };
  return winogradForm([kh, kw], flipped, [cout, cin], [gx.shape[1], gx.shape[2]]);
}

/** Weights with inputs and outputs exchanged. */
const stepsOf = (weight: GradInput['inputs']['weight'], groups: number): WeightSteps => {
  const inputs = weight.shape[3] / groups;
  return {
    weight,
    inputs,
    outputs: weight.shape[2],
    inputStep: 1,
    outputStep: weight.shape[3],
    groupStep: inputs,
  };
};

/**
 * `gx[i] = Σₖ w[k] · gy[(i + p − d·k) / s]` where that is whole: with `i = s·j + r`, one convolution of `gy` with
 * stride 1 for each remainder `r`, by the taps with `r + p − d·k` divisible by `s`.
 */
function stagesOf(call: GradInput): Stage[] {
  if (isPatchwise(call)) return patchStages(call);
  const { gy, weight, acc } = call.inputs;
  const { gx } = call.outputs;
  const { stride, padding, dilation, groups } = call.attrs;
  const steps = stepsOf(weight, groups);
  const stages: Stage[] = [];
  let packed = scratchPointer(call);
  for (let ry = 0; ry < stride[0]; ry++) {
    for (let rx = 0; rx < stride[1]; rx++) {
      const taps = tapsOf(weight.shape[0], weight.shape[1])
        .map(({ ky, kx, source }) => ({
          y: (ry + padding[0] - ky * dilation[0]) / stride[0],
          x: (rx + padding[1] - kx * dilation[1]) / stride[1],
          source,
        }))
        .filter(({ y, x }) => Number.isInteger(y) && Number.isInteger(x));
      if (taps.length === 0 && acc?.offset === gx.offset) continue;
      const place = { origin: [ry, rx], step: stride, residual: acc } as const;
      const conv = { x: gy, stride: [1, 1], taps, steps, groups, y: gx, ...place } as const;
      stages.push(...directStages(conv, packed));
      packed += packedWeightBytes(steps, groups, taps.length);
    }
  }
  return stages;
}

/** Whether every pixel of `gy` makes a patch of `gx` of its own, as wide as the stride, in pixels without gaps. */
function isPatchwise({ inputs: { gy, weight, acc }, outputs: { gx }, attrs }: GradInput): boolean {
  const { stride, padding, dilation, groups } = attrs;
  const dense = (ref: TensorRef) => ref.pixelStride === ref.shape[3];
  return (
    [0, 1].every((i) => stride[i] === weight.shape[i] && stride[i] * gy.shape[i + 1] === gx.shape[i + 1]) &&
    Math.max(...padding) === 0 &&
    Math.max(...dilation) === 1 &&
    groups === 1 &&
    dense(gx) &&
    (!acc || dense(acc))
  );
}

/** The pixels of one row of a patch lie side by side: they are the outputs of one 1×1 convolution, one per row. */
function patchStages(call: GradInput): Stage[] {
  const { gy, weight, acc } = call.inputs;
  const { gx } = call.outputs;
  const [rows, columns, outputs, inputs] = weight.shape;
  const joined = (ref: TensorRef): TensorRef => {
    const [batch, height, width, channels] = ref.shape;
    const shape = [batch, height, width / columns, columns * channels] as const;
    return { ...ref, shape, pixelStride: columns * channels };
  };
  const steps = { ...stepsOf(weight, 1), outputs: columns * outputs, outputStep: inputs };
  const places = { y: joined(gx), residual: acc && joined(acc), step: [rows, 1] } as const;
  return Array.from({ length: rows }, (_, row) => {
    const taps = [{ y: 0, x: 0, source: row }];
    const conv = { x: gy, stride: [1, 1], taps, steps, groups: 1, ...places, origin: [row, 0] } as const;
    return directStages(conv, scratchPointer(call) + row * packedWeightBytes(steps, 1, 1));
  }).flat();
}
