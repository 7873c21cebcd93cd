import type { Plan } from '../../graph/planned.js';
import type { Phase } from '../../ir/graph.js';
import { layouts } from './abi.js';
import { encode } from './encode.js';
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
  /** The call before in each phase; phases can be interleaved. */
  const before = new Map<Phase, number>();
  for (const [index, call] of plan.calls.entries()) {
    const previous = before.get(call.phase);
    before.set(call.phase, index);
    const calls = call.joined === 'previous' ? [previous!, index] : [index];
    for (const stage of lower(call, previous === undefined ? undefined : plan.calls[previous])) {
      const { kernel, chunks, phase = call.phase } = stage;
      const address = argsBase + 4 * words;
      steps.push({ kernel, args: address, chunks, phase, calls });
      const block = encode(layouts[kernel], stage.args, address);
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
