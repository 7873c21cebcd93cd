import type { Phase, Shape } from './ir.js';
import { bytesOf, sizeOf } from './ir.js';
import type { Call, Plan, TensorRef } from './planned.js';

/** What one stage of a network costs in a plan. */
export interface StageCost {
  /** First component of the labels: `stem`, `stage2`, `head`, …; `loss` and `optimiser` end a training plan. */
  readonly stage: string;
  /** Shape of the last image the stage's forward calls write; absent where there is none. */
  readonly output?: Shape;
  /** Trained scalars. */
  readonly parameters: number;
  /** Bytes that the stage's forward calls write. */
  readonly activationBytes: number;
  /** Part of them that still lies in the arena when the backward pass reads it; 0 in inference plans. */
  readonly keptBytes: number;
  /** Most bytes of the arena in use while one of the stage's calls runs, in any phase. */
  readonly peakBytes: number;
  /** Floating-point operations, a multiply-add counted as two. `prepare` is left out: it runs once. */
  readonly flops: { readonly forward: number; readonly recompute: number; readonly backward: number };
}

export interface PlanCost {
  /** In order of first execution. */
  readonly stages: readonly StageCost[];
  /** Sums over the stages; `peakBytes` is the highest. */
  readonly total: Omit<StageCost, 'stage' | 'output'>;
}

/** The stage a label belongs to. */
export function stageOf(label: string): string {
  const first = label.split(/[./]/, 1)[0];
  return first === 'adam' ? 'optimiser' : first;
}

/** Whether a call repeats forward work for the backward pass, or computes an input back from an output. */
const isRecompute = (call: Call): boolean =>
  call.phase === 'backward' && /\/(again|inverse)$/.test(call.label);

/** Per-stage bytes, FLOPs and parameters of a plan, from the plan alone: nothing runs. */
export function costOf(plan: Plan): PlanCost {
  const kept = keptBytes(plan);
  const costs = new Map<string, Mutable<StageCost>>();
  const costAt = (stage: string): Mutable<StageCost> => {
    const cost = costs.get(stage) ?? {
      stage,
      parameters: 0,
      activationBytes: 0,
      keptBytes: kept.get(stage) ?? 0,
      peakBytes: 0,
      flops: { forward: 0, recompute: 0, backward: 0 },
    };
    costs.set(stage, cost);
    return cost;
  };
  plan.calls.forEach((call, i) => {
    if (call.phase === 'prepare') return;
    const cost = costAt(stageOf(call.label));
    cost.peakBytes = Math.max(cost.peakBytes, plan.timeline[i].bytes);
    const { forward, recompute, backward } = cost.flops;
    if (call.phase === 'forward') {
      cost.flops = { forward: forward + call.flops, recompute, backward };
      const outputs = refsOf(call.outputs);
      for (const output of outputs) cost.activationBytes += bytesOf(output);
      const image = outputs.findLast(({ shape }) => shape[1] > 1);
      // A range of channels stands for the whole tensor it lies in.
      if (image) cost.output = [image.shape[0], image.shape[1], image.shape[2], image.pixelStride];
    } else if (isRecompute(call)) {
      cost.flops = { forward, recompute: recompute + call.flops, backward };
    } else {
      cost.flops = { forward, recompute, backward: backward + call.flops };
    }
  });
  for (const [name, slot] of Object.entries(plan.slots)) {
    // `params` is the flat region that holds all the others.
    if (slot.role === 'param' && name !== 'params') costAt(stageOf(name)).parameters += sizeOf(slot.shape);
  }
  const stages = [...costs.values()];
  const sum = (of: (cost: StageCost) => number) => stages.reduce((total, cost) => total + of(cost), 0);
  return {
    stages,
    total: {
      parameters: plan.parameters,
      activationBytes: sum((cost) => cost.activationBytes),
      keptBytes: sum((cost) => cost.keptBytes),
      peakBytes: Math.max(0, ...stages.map((cost) => cost.peakBytes)),
      flops: {
        forward: sum((cost) => cost.flops.forward),
        recompute: sum((cost) => cost.flops.recompute),
        backward: sum((cost) => cost.flops.backward),
      },
    },
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const refsOf = (record: object): TensorRef[] =>
  Object.values(record).filter((ref): ref is TensorRef => ref !== undefined);

/** Memory that a call wrote: channels `[from, to)` of pixels that are `stride` bytes apart. */
interface Written {
  readonly stage: string;
  readonly phase: Phase;
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
  readonly stride: number;
  read: boolean;
}

/** Bytes written by forward calls and read by backward calls, by the stage that wrote them. */
function keptBytes(plan: Plan): Map<string, number> {
  const extent = (ref: TensorRef) => {
    const element = ref.dtype === 'f32' ? 4 : 1;
    const [n, h, w, c] = ref.shape;
    const stride = ref.pixelStride * element;
    return { start: ref.offset, end: ref.offset + (n * h * w - 1) * stride + c * element, stride };
  };
  const overlap = (a: Omit<Written, 'stage' | 'phase' | 'bytes' | 'read'>, b: typeof a): boolean => {
    if (a.start >= b.end || b.start >= a.end) return false;
    if (a.stride !== b.stride) return true;
    // Two ranges of channels of one wider tensor interleave without touching.
    const shift = (((b.start - a.start) % a.stride) + a.stride) % a.stride;
    const width = (range: typeof a) => (range.end - range.start - 1) % range.stride;
    return shift <= width(a) || shift + width(b) >= a.stride;
  };
  let live: Written[] = [];
  const all: Written[] = [];
  for (const call of plan.calls) {
    if (call.phase === 'backward') {
      for (const ref of refsOf(call.inputs)) {
        const range = extent(ref);
        for (const written of live) if (overlap(written, range)) written.read = true;
      }
    }
    for (const ref of refsOf(call.outputs)) {
      const range = extent(ref);
      // The planner reuses memory only where nothing reads it again, so what is overlapped is dead.
      live = live.filter((written) => !overlap(written, range));
      const written = {
        ...range,
        stage: stageOf(call.label),
        phase: call.phase,
        bytes: bytesOf(ref),
        read: false,
      };
      live.push(written);
      all.push(written);
    }
  }
  const kept = new Map<string, number>();
  for (const { stage, phase, bytes, read } of all) {
    if (phase === 'forward' && read) kept.set(stage, (kept.get(stage) ?? 0) + bytes);
  }
  return kept;
}
