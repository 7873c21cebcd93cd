import type { CallFor } from '../../../graph/planned.js';
import type { WasmKernel } from '../stage.js';
import { scratchPointer } from '../stage.js';
import type { DirectConv, WeightSteps } from './direct.js';
import { directStages, packedWeightBytes } from './direct.js';
import { imageStages, isOfImage } from './image.js';
import type { WinogradForm } from './winograd1d.js';
import { winogradBytes, winogradForm, winogradStages } from './winograd1d.js';
import { isWinograd2d, winograd2dBytes, winograd2dStages } from './winograd2d.js';

export type Conv2d = CallFor<'conv2d'>;

export const conv2d: WasmKernel<'conv2d'> = {
  scratchBytes: (call) => {
    if (isOfImage(call)) return 0;
    const { weight } = call.inputs;
    const [kh, kw, inputs, outputs] = weight.shape;
    if (isWinograd2dCall(call)) return winograd2dBytes({ inputs, outputs });
    const form = formOf(call);
    if (form) return winogradBytes(form, { inputs, outputs });
    return packedWeightBytes(stepsOf(weight, call.attrs.groups), call.attrs.groups, kh * kw);
  },
  lower: (call) => {
    if (isOfImage(call)) return imageStages(call);
    const packed = scratchPointer(call);
    if (isWinograd2dCall(call)) return winograd2dStages(directOf(call), call.attrs.padding, false, packed);
    const form = formOf(call);
    return form ? winogradStages(form, directOf(call), false, packed) : directStages(directOf(call), packed);
  },
};

function isWinograd2dCall({ inputs: { weight }, outputs: { y }, attrs }: Conv2d): boolean {
  const [kh, kw, cin, cout] = weight.shape;
  return isWinograd2d([kh, kw], attrs, [cin, cout], [y.shape[1], y.shape[2]]);
}

export function formOf({ inputs, outputs: { y }, attrs }: Conv2d): WinogradForm | undefined {
  const [kh, kw, cin, cout] = inputs.weight.shape;
  const form = winogradForm([kh, kw], attrs, [cin, cout], [y.shape[1], y.shape[2]]);
  const prologue = inputs.preScale ?? inputs.preSlope;
  const i16 = attrs.products === 'i16' && !form?.rows && !prologue && cin % 4 === 0 && cout % 4 === 0;
  return form && i16 ? { ...form, i16 } : form;
}

const stepsOf = (weight: Conv2d['inputs']['weight'], groups: number): WeightSteps => {
  const outputs = weight.shape[3] / groups;
  return {
    weight,
    inputs: weight.shape[2],
    outputs,
    inputStep: weight.shape[3],
    outputStep: 1,
    groupStep: outputs,
  };
};

export function directOf({ inputs, outputs: { y }, attrs }: Conv2d): DirectConv {
  const { x, weight, bias, slope, residual, ...prologue } = inputs;
  const { stride, padding, dilation, groups, normalize } = attrs;
  const taps = tapsOf(weight.shape[0], weight.shape[1]).map(({ ky, kx, source }) => ({
    y: ky * dilation[0] - padding[0],
    x: kx * dilation[1] - padding[1],
    source,
  }));
  const steps = stepsOf(weight, groups);
  const rest = { origin: [0, 0], step: [1, 1], bias, slope, residual } as const;
  return { x, prologue, normalize, stride, taps, steps, groups, y, ...rest };
}

/** Indices of the taps of a kernel. */
export const tapsOf = (kh: number, kw: number): { ky: number; kx: number; source: number }[] =>
  Array.from({ length: kh * kw }, (_, source) => ({ ky: Math.floor(source / kw), kx: source % kw, source }));
