import type { TensorRef } from '../../../graph/planned.js';
import type { KernelFunction, PointwiseName } from '../../../ops/pointwise/table.js';
import { kernelFunctions, pointwiseNames } from '../../../ops/pointwise/table.js';
import type { Stage, WasmKernel } from '../stage.js';
import { overPixels, strided } from '../stage.js';

type GradName = `${PointwiseName}Grad`;
type Kernels = { readonly [K in KernelFunction | GradName]: WasmKernel<K> };

/** A kernel that `scripts/build-pointwise.mjs` made, on every element of `from` and perhaps of `g`. */
function onElements(
  kernel: KernelFunction | GradName,
  from: TensorRef | undefined,
  g: TensorRef | undefined,
  to: TensorRef,
): Stage[] {
  const { chunks, range } = overPixels(to);
  return [{ kernel, chunks, args: { ...strided({ from, g, to }), ...range } }];
}

const forward = (name: KernelFunction): WasmKernel<KernelFunction> => ({
  lower: ({ inputs: { x }, outputs: { y } }) => onElements(name, x, undefined, y),
});

const backward = (name: PointwiseName): WasmKernel<GradName> => ({
  lower: ({ inputs: { x, y, gy }, outputs: { gx } }) => onElements(`${name}Grad`, x ?? y, gy, gx),
});

/** Both kernels of every line of the table. */
export const pointwiseKernels = Object.fromEntries<unknown>([
  ...kernelFunctions.map((name) => [name, forward(name)] as const),
  ...pointwiseNames.map((name) => [`${name}Grad`, backward(name)] as const),
]) as unknown as Kernels;
