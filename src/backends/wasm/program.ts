import type { Phase } from '../../graph/ir.js';
import type { Plan } from '../../graph/planned.js';
import { lower } from './kernels.js';
import type { Stage } from './lower.js';
import { arenaBase } from './lower.js';

/** One stage as the threads see it. */
export interface Step {
  readonly kernel: string;
  readonly args: number;
  readonly chunks: number;
  readonly phase: Phase;
  /** Index of the stage's call in the plan. */
  readonly call: number;
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
  for (const [index, call] of plan.calls.entries()) {
    for (const stage of lower(call)) {
      const { kernel, chunks } = stage;
      steps.push({ kernel, args: argsBase + 4 * words, chunks, phase: call.phase, call: index });
      const block = encode(stage);
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

function encode({ args }: Stage): Int32Array {
  const block = new Int32Array(args.length);
  const floats = new Float32Array(block.buffer);
  for (const [i, word] of args.entries()) {
    if (typeof word === 'number') block[i] = word;
    else floats[i] = word.f32;
  }
  return block;
}
