import type { Plan } from '../../graph/planned.js';
import type { Phase } from '../../ir/graph.js';
import { layouts } from './abi.js';
import { encode } from './encode.js';
import type { Need } from './needs.js';
import { NeedsFinder } from './needs.js';
import { alignLines, arenaBase } from './stage.js';
import { lower } from './table.js';
import { ofCalls } from './touches.js';

/** One stage as the threads see it. */
export interface Step {
  readonly kernel: string;
  readonly args: number;
  readonly chunks: number;
  readonly phase: Phase;
  /** Indices of the calls in the plan that the stage belongs to. */
  readonly calls: readonly number[];
  /** Among the stages of the same phase. */
  readonly needs: readonly Need[];
  /** Where its chunks are counted and marked (`runtime/board.ts`): words from `Program.boardBase`. */
  readonly board: number;
}

/** A plan as an ordered list of stages with all addresses known. */
export interface Program {
  readonly steps: readonly Step[];
  /** Memory: what synchronises the threads, the arena, the arguments, the board, then `localBytes` for each thread. */
  readonly argsBase: number;
  readonly args: Int32Array<ArrayBuffer>;
  readonly boardBase: number;
  readonly boardWords: number;
  readonly localsBase: number;
  readonly localBytes: number;
}

/** Words of a step on the board: the next chunk that nobody has taken, then a mark for each that is done. */
const wordsOf = (chunks: number): number => 1 + chunks;

/** `threads`: how many will run it, at best; any number may. */
export function compile(plan: Plan, threads: number): Program {
  const argsBase = alignLines(arenaBase + plan.arenaBytes);
  const steps: Step[] = [];
  const blocks: Int32Array[] = [];
  let words = 0;
  let localBytes = 0;
  let boardWords = 0;
  /** The call before in each phase; phases can be interleaved. */
  const before = new Map<Phase, number>();
  const finders = new Map<Phase, NeedsFinder>();
  for (const [index, call] of plan.calls.entries()) {
    const previous = before.get(call.phase);
    before.set(call.phase, index);
    const calls = call.joined === 'previous' ? [previous!, index] : [index];
    for (const stage of lower(call, previous === undefined ? undefined : plan.calls[previous], threads)) {
      const { kernel, chunks, phase = call.phase, touches } = stage;
      const address = argsBase + 4 * words;
      const touched = touches
        ? Array.from({ length: chunks }, (_, chunk) => touches(chunk))
        : [ofCalls(calls.map((i) => plan.calls[i]))];
      const finder = finders.get(phase) ?? new NeedsFinder();
      finders.set(phase, finder);
      const needs = finder.next({ step: steps.length, chunks, touched });
      steps.push({ kernel, args: address, chunks, phase, calls, needs, board: boardWords });
      boardWords += wordsOf(chunks);
      const block = encode(layouts[kernel], stage.args, address);
      blocks.push(block);
      words += block.length;
      localBytes = Math.max(localBytes, alignLines(stage.localBytes ?? 0));
    }
  }
  const args = new Int32Array(words);
  let at = 0;
  for (const block of blocks) {
    args.set(block, at);
    at += block.length;
  }
  const boardBase = alignLines(argsBase + 4 * words);
  const localsBase = alignLines(boardBase + 4 * boardWords);
  return { steps, argsBase, args, boardBase, boardWords, localsBase, localBytes };
}
