import type { Node } from '../../ir/graph.js';
import { opOf } from '../../ops/index.js';
import type { Rewriter, Rule } from './rewriter.js';

/**
 * Epilogues: a channel map goes into what makes its input, where that is read nowhere else. Coefficients that change
 * with every batch stay where they are, so in training only activations move.
 */
export const fold: Rule = (node, work) => foldInto(node, work, false);

/** The same into what is left of sums too, when `accumulate` has moved those that can be into what makes their operands. */
export const foldSums: Rule = (node, work) => foldInto(node, work, true);

function foldInto(node: Node, work: Rewriter, sums: boolean): void {
  const map = opOf(node).map?.(node);
  if (!map || (map.scale && map.scale.role !== 'constant')) return;
  const producer = work.producerOf(map.x);
  const absorb = producer && opOf(producer).absorb;
  if (!sums && producer && opOf(producer).sum?.(producer)) return;
  if (!absorb || !work.onlyReader(map.x, node)) return;
  work.rewrite(node, producer, (context) => {
    const y = absorb(producer, map, context);
    return y && { y };
  });
}
