import type { Call, Plan } from '../../graph/planned.js';
import type { Phase } from '../../ir/graph.js';
import { layouts } from './abi.js';
import { pairStages } from './conv/pair.js';
import { encode } from './encode.js';
import type { Stage } from './stage.js';
import { arenaBase } from './stage.js';
import { lower } from './table.js';

/** One stage as the threads see it. */
export interface Step {
  readonly kernel: string;
  readonly args: number;
  readonly chunks: number;
  readonly phase: Phase;
  /** Indices of the calls in the plan that the stage belongs to. */
  readonly calls: readonly number[];
}

/** A plan as an ordered list of stages with all addresses known. */
export interface Program {
  readonly steps: readonly Step[];
  /** Memory: what synchronises the threads, the arena, the arguments, then `localBytes` for each thread. */
  readonly argsBase: number;
  readonly args: Int32Array<ArrayBuffer>;
  readonly localsBase: number;
  readonly localBytes: number;
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

export function compile(plan: Plan): Program {
  const argsBase = align(arenaBase + plan.arenaBytes);
  const steps: Step[] = [];
  const blocks: Int32Array[] = [];
  let words = 0;
  let localBytes = 0;
  for (const { phase, calls, stages } of lowered(plan.calls)) {
    for (const stage of stages) {
      const { kernel, chunks } = stage;
      steps.push({ kernel, args: argsBase + 4 * words, chunks, phase, calls });
      const block = encode(layouts[kernel], stage.args, argsBase + 4 * words);
      blocks.push(block);
      words += block.length;
      localBytes = Math.max(localBytes, align(stage.localBytes ?? 0));
    }
  }
  const args = new Int32Array(words);
  let at = 0;
  for (const block of blocks) {
    args.set(block, at);
    at += block.length;
  }
  return { steps, argsBase, args, localsBase: align(argsBase + 4 * words), localBytes };
}

interface Lowered {
  readonly phase: Phase;
  readonly calls: readonly number[];
  readonly stages: readonly Stage[];
}

/** Stages call by call, or of two calls that can run as one, in the place of the second. */
function lowered(calls: readonly Call[]): Lowered[] {
  const result: Lowered[] = [];
  /** The call before in each phase; phases can be interleaved. */
  const before = new Map<Phase, number>();
  for (const [index, call] of calls.entries()) {
    const { phase } = call;
    const previous = before.get(phase);
    const pair = previous === undefined ? undefined : pairStages(calls[previous], call);
    if (pair) {
      const single = result.findIndex((entry) => entry.calls[0] === previous);
      result.splice(single, 1);
      result.push({ phase, calls: [previous!, index], stages: pair });
      before.delete(phase);
    } else {
      result.push({ phase, calls: [index], stages: lower(call) });
      before.set(phase, index);
    }
  }
  return result;
}
