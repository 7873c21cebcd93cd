import type { Value } from '../../ir/value.js';
import { opOf } from '../../ops/index.js';
import type { Rule } from './rewriter.js';

/** Additions move into the kernel that makes one of their operands, as its residual or accumulator. */
export const accumulate: Rule = (node, work) => {
  const sum = opOf(node).sum?.(node);
  if (!sum || sum.a.id === sum.b.id) return;
  const { a, b, sign } = sum;
  const into = (operand: Value, other: Value): boolean => {
    const producer = work.producerOf(operand);
    const op = producer && opOf(producer);
    if (!op?.accumulate || !work.onlyReader(operand, node)) return false;
    let merged = false;
    work.rewrite(node, producer, (context) => {
      const y = op.accumulate!(producer!, other, sign, context);
      merged = y !== undefined;
      return y && { y };
    });
    return merged;
  };
  if (!into(b, a) && sign === 1) into(a, b);
};
