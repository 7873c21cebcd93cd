import type { Call, TensorRef } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import type { Capabilities } from './kernels/kernel.js';

/**
 * What to take on adapters of a family where nothing was measured. The first rule that fits and names a candidate that
 * there is wins; without one a call takes its first candidate, and no calls are joined.
 */
export interface Rule {
  /** Of the adapter, as WebGPU names them: `nvidia`, `hopper`; `software` for all that run on the CPU. Default any. */
  readonly vendor?: string;
  readonly architecture?: string;
  readonly op: KernelName;
  /** Rules of two calls that may run as one: the second's op. */
  readonly second?: KernelName;
  /** What more is asked of the call, or of the first of two. */
  when?(call: Call): boolean;
  /** Name of the candidate. */
  readonly take: string;
}

/** Taps of a convolution, along columns and along rows. */
function tapsOf(call: Call): readonly [number, number] {
  const { weight } = call.inputs as { readonly weight?: TensorRef };
  return weight ? [weight.shape[0], weight.shape[1]] : [0, 0];
}
const isColumn = (call: Call): boolean => tapsOf(call)[0] > 1 && tapsOf(call)[1] === 1;
const isRow = (call: Call): boolean => tapsOf(call)[0] === 1 && tapsOf(call)[1] > 1;
const isPoint = (call: Call): boolean => tapsOf(call)[0] === 1 && tapsOf(call)[1] === 1;
/** Not the first, whose input is bytes: that is as fast from global memory. */
const ofMaps = (call: Call): boolean => (call.inputs as { readonly x?: TensorRef }).x?.dtype !== 'u8';

/** One line a rule, with where it was measured. */
export const rules: readonly Rule[] = [
  // NVIDIA H200: VNet at 1024×2048, inference of one image and training of four.
  ...(['conv2d', 'conv2dGradInput'] as const).flatMap((op): Rule[] => [
    { vendor: 'nvidia', op, when: ofMaps, take: 'tile 32×16 by 2' },
    { vendor: 'nvidia', op, when: isRow, take: 'matrix 128, 8 subgroups' },
    { vendor: 'nvidia', op, when: isColumn, take: 'matrix 96, 6 subgroups' },
  ]),
  { vendor: 'nvidia', op: 'conv2d', when: isPoint, take: 'matrix 128, 8 subgroups' },
  ...(['conv2d', 'conv2dGradInput'] as const).flatMap((op): Rule[] => [
    { vendor: 'nvidia', op, when: isPoint, take: 'runs 8×4, 16 by 16' },
    { vendor: 'nvidia', op, take: 'runs 8×4, 8 by 8' },
  ]),
];

/** Candidates that a call may take by default, or two calls together, the best first. */
export function* defaultsOf(
  calls: readonly [Call] | readonly [Call, Call],
  { family }: Capabilities,
  from: readonly Rule[] = rules,
): Generator<string> {
  const [call, second] = calls;
  for (const { vendor, architecture, op, second: next, when, take } of from) {
    if (vendor !== undefined && vendor !== family.vendor) continue;
    if (architecture !== undefined && architecture !== family.architecture) continue;
    if (op !== call.op || next !== second?.op) continue;
    if (when === undefined || when(call)) yield take;
  }
}
