import type { Call, CallFor, TensorRef } from '../../../graph/planned.js';
import type { Shape } from '../../../ir/value.js';
import { elementBytes } from '../../../ir/value.js';
import type { KernelName } from '../../../ops/index.js';
import type { Dispatch } from '../shader.js';

/** One operation on the GPU, in one way. */
interface SingleKernel<K extends KernelName> {
  /** Bytes of private memory, known from shapes alone. */
  scratch?(call: CallFor<K>): number;
  /** The dispatches that compute the call, in order. */
  lower(call: CallFor<K>): Dispatch[];
}

/** One operation on the GPU, in several ways, of which an adapter's fastest is taken. */
export interface TunedKernel<K extends KernelName> {
  /** What the adapter can run, at least one; the first is for adapters on which nothing was measured. */
  candidates(call: CallFor<K>, able: Capabilities): readonly Candidate[];
}

export type GpuKernel<K extends KernelName> = SingleKernel<K> | TunedKernel<K>;

/** One way to compute a call, or two joined ones. */
export interface Candidate {
  /** Short and for people, different from the names of the call's other candidates. */
  readonly name: string;
  /** Bytes of private memory while the call runs. Default none. */
  readonly scratch?: number;
  /** Bytes of what its dispatches with `once` make of constants and keep. Default none. */
  readonly kept?: number;
  /** Operations really done, where they are not the call's: fewer by Winograd, more where borders are computed twice. */
  readonly flops?: number;
  /** Of two joined calls: needs less memory than they do apart, and is taken for that, whatever its time. */
  readonly frugal?: true;
  /** In order. Called when the places of tensors are known. */
  lower(): Dispatch[];
}

/** What the compiler cannot see: the kernel looked up by `call.op` takes calls of that op. */
interface AnyKernel {
  scratch?(call: Call): number;
  lower?(call: Call): Dispatch[];
  candidates?(call: Call, able: Capabilities): readonly Candidate[];
}

/** The ways to compute a call by one of some kernels, the one to take where nothing was measured first. */
export const candidatesOf =
  (kernels: { readonly [K in KernelName]?: GpuKernel<K> }) =>
  (call: Call, able: Capabilities): readonly Candidate[] => {
    const kernel = kernels[call.op] as AnyKernel;
    return (
      kernel.candidates?.(call, able) ?? [
        { name: call.op, scratch: kernel.scratch?.(call), lower: () => kernel.lower!(call) },
      ]
    );
  };

/** What an adapter has for kernels. */
export interface Capabilities {
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Of a workgroup. */
  readonly invocations: number;
  /** `shader-f16`, `subgroups`, … as WebGPU names them. */
  readonly features: ReadonlySet<string>;
  /** Products of float16 matrices `m×k` and `k×n` that a subgroup makes, summed in float32. */
  readonly matrices: readonly { readonly m: number; readonly n: number; readonly k: number }[];
  /** Invocations of every subgroup; 0 where they differ. */
  readonly subgroupSize: number;
  /** Whose it is: what WebGPU calls vendor and architecture; the vendor `software` for adapters that run on the CPU. */
  readonly family: { readonly vendor: string; readonly architecture: string };
}

/** What every adapter has. */
export const leastCapabilities: Capabilities = {
  workgroupBytes: 16384,
  invocations: 256,
  features: new Set(),
  matrices: [],
  subgroupSize: 0,
  family: { vendor: '', architecture: '' },
};

/** Invocations of an ordinary workgroup: the most that every adapter has. */
export const WORKGROUP = 256;

export const pixelsOf = ([n, h, w]: Shape): number => n * h * w;
/** Groups of four channels, the last perhaps not full. */
export const quadsOf = (shape: Shape): number => Math.ceil(shape[3] / 4);
/** Images `[from, to)` of a tensor. */
export const imagesOf = (ref: TensorRef, from: number, to: number): TensorRef => {
  const [, h, w, c] = ref.shape;
  const bytes = h * w * ref.pixelStride * elementBytes[ref.dtype];
  return { ...ref, shape: [to - from, h, w, c], offset: ref.offset + from * bytes };
};
/** Image n of a tensor. */
export const imageOf = (ref: TensorRef, n: number): TensorRef => imagesOf(ref, n, n + 1);
/** Bytes of a `rows × channels` matrix of scratch. */
export const matrixBytes = (rows: number, channels: number): number => rows * Math.ceil(channels / 4) * 16;

/** A `rows × channels` matrix in the scratch of a call, `at` bytes from its start; rows are whole quads. */
export const scratchMatrix = (call: Call, at: number, rows: number, channels: number): TensorRef =>
  matrixAt(call.scratch.offset + at, rows, channels);

/** The same at `offset` in the arena. */
export function matrixAt(offset: number, rows: number, channels: number): TensorRef {
  const width = Math.ceil(channels / 4) * 4;
  return { name: 'scratch', dtype: 'f32', shape: [1, 1, rows, width], offset, pixelStride: width };
}

/** `statement` once for each four channels `c` of each pixel `p` of a tensor of `shape`. */
export function perQuad(
  shape: Shape,
  tensors: Dispatch['tensors'],
  statement: string,
  declarations = '',
): Dispatch {
  const quads = quadsOf(shape);
  const count = pixelsOf(shape) * quads;
  return {
    tensors,
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(count / WORKGROUP),
    code: `${declarations}
fn body(group: u32, lane: u32) {
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${count}u) { return; }
  let p = i / ${quads}u;
  let c = (i % ${quads}u) * 4u;
  ${statement}
}`,
  };
}

/** WGSL of `v > 0 ? v : slope·v` on four channels. */
export const preluText = (v: string, slope: string): string =>
  `select(${slope} * ${v}, ${v}, ${v} > vec4f(0f))`;

/** WGSL of statements that are alike, for k = 0, 1, …, `count` − 1. */
export const repeat = (count: number, text: (k: number) => string): string =>
  Array.from({ length: count }, (_, k) => text(k)).join('\n');
