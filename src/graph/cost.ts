import type { Shape } from '../ir/value.js';
import { bytesOf, sizeOf } from '../ir/value.js';
import type { Call, Plan, TensorRef } from './planned.js';
import type { Columns, Region } from './region.js';
import { coveredColumns, regionOf } from './region.js';

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
export const stageOf = (label: string): string => label.split(/[./]/, 1)[0];

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

/** What is left of a forward result: columns `[from, to)` of its region that nothing has overwritten. */
interface Remains {
  readonly stage: string;
  readonly region: Region;
  parts: (Columns & { readonly read: boolean })[];
}

/** Bytes written by forward calls and read by backward calls, by the stage that wrote them. */
function keptBytes(plan: Plan): Map<string, number> {
  const kept = new Map<string, number>();
  let live: Remains[] = [];
  for (const call of plan.calls) {
    for (const ref of call.phase === 'backward' ? refsOf(call.inputs) : []) {
      const region = regionOf(ref);
      for (const remains of live) {
        const covered = coveredColumns(remains.region, region);
        if (covered) kept.set(remains.stage, (kept.get(remains.stage) ?? 0) + readPart(remains, covered));
      }
    }
    for (const ref of refsOf(call.outputs)) {
      const region = regionOf(ref);
      let gone = false;
      for (const remains of live) {
        const covered = coveredColumns(remains.region, region);
        if (!covered) continue;
        remains.parts = remains.parts
          .flatMap((part) => [
            { ...part, to: Math.min(part.to, covered.from) },
            { ...part, from: Math.max(part.from, covered.to) },
          ])
          .filter((part) => part.from < part.to);
        gone ||= remains.parts.length === 0;
      }
      if (gone) live = live.filter(({ parts }) => parts.length > 0);
      if (call.phase === 'forward') {
        const parts = [{ from: 0, to: region.width, read: false }];
        live.push({ stage: stageOf(call.label), region, parts });
      }
    }
  }
  return kept;
}

/** Marks columns as read. @returns the bytes among them that were not before. */
function readPart(remains: Remains, { from, to }: Columns): number {
  let bytes = 0;
  remains.parts = remains.parts.flatMap((part) => {
    const [low, high] = [Math.max(part.from, from), Math.min(part.to, to)];
    if (part.read || low >= high) return [part];
    bytes += (high - low) * remains.region.rows;
    return [
      { from: part.from, to: low, read: false },
      { from: low, to: high, read: true },
      { from: high, to: part.to, read: false },
    ];
  });
  return bytes;
}
