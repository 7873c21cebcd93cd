import type { Call, Plan } from '../../graph/planned.js';
import { bytesOf } from '../../ir/value.js';
import type { Lowering } from './lowering.js';
import type { Roof } from './roofs.js';
import type { Dispatch } from './shader.js';
import { accessesOf } from './shader.js';

/** What a call costs as it is computed, counted from its dispatches; those of phase `prepare` alone are left out. */
export interface CallCost {
  readonly dispatches: number;
  /** Bytes of the tensors that its dispatches read and write, each tensor once a dispatch. */
  readonly read: number;
  readonly written: number;
  /** Operations really done: fewer than the call has by Winograd, more where joined calls compute borders twice. */
  readonly flops: number;
  /** Most bytes of workgroup memory of a dispatch. */
  readonly workgroupBytes: number;
  /** True where it computes in float16. */
  readonly half: boolean;
}

const sizes: Readonly<Record<string, number>> = {
  ...{ f32: 4, u32: 4, i32: 4, f16: 2 },
  ...{ vec2f: 8, vec3f: 16, vec4f: 16, vec2u: 8, vec2i: 8, vec4u: 16, vec4i: 16, vec2h: 4, vec4h: 8 },
};

/** Bytes of workgroup memory that WGSL declares: arrays of numbers and vectors, or one of them. */
export function workgroupBytesOf(code: string): number {
  let bytes = 0;
  for (const [, type] of code.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)) {
    const plain = type.replace(/atomic<(\w+)>/g, '$1').replace(/\s/g, '');
    let inner = plain;
    let count = 1;
    for (
      let array = /^array<(.+),(\d+)u?>$/.exec(inner);
      array;
      array = /^array<(.+),(\d+)u?>$/.exec(inner)
    ) {
      inner = array[1];
      count *= Number(array[2]);
    }
    const size = sizes[inner];
    if (size === undefined) throw new Error(`workgroup memory of type ${type}: unknown size`);
    bytes += count * size;
  }
  return bytes;
}

/** Bytes of the tensors that a dispatch reads and of those that it writes. */
export function trafficOf(dispatch: Dispatch): { read: number; written: number } {
  let [read, written] = [0, 0];
  for (const { ref, reads, writes } of accessesOf(dispatch)) {
    if (reads) read += bytesOf(ref);
    if (writes) written += bytesOf(ref);
  }
  return { read, written };
}

/** The cost of every call of a plan made with the lowering's rule; of two that are joined, all is the second's. */
export function costsOf({ calls }: Plan, lowering: Lowering): CallCost[] {
  const before = new Map<Call['phase'], Call>();
  return calls.map((call) => {
    const first = before.get(call.phase);
    before.set(call.phase, call);
    if (call.joined === 'next')
      return { dispatches: 0, read: 0, written: 0, flops: 0, workgroupBytes: 0, half: false };
    const candidate = lowering.candidate(call, first);
    const dispatches = candidate.lower().filter(({ once }) => !once);
    const traffic = dispatches.map(trafficOf);
    const both = call.flops + (call.joined === 'previous' ? first!.flops : 0);
    return {
      dispatches: dispatches.length,
      read: traffic.reduce((sum, { read }) => sum + read, 0),
      written: traffic.reduce((sum, { written }) => sum + written, 0),
      flops: candidate.flops ?? both,
      workgroupBytes: Math.max(0, ...dispatches.map(({ code }) => workgroupBytesOf(code))),
      half: dispatches.some(({ code }) => /\b(vec[234]h|f16)\b/.test(code)),
    };
  });
}

/** Milliseconds that a call takes on a GPU at least: its memory or its arithmetic at the full rate. */
export const roofOf = ({ read, written, flops, half }: CallCost, roof: Roof): number =>
  Math.max((read + written) / roof.gbytes, flops / (1000 * (half ? roof.f16 : roof.f32))) / 1e6;
