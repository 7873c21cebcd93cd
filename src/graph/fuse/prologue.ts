import type { Node } from '../../ir/graph.js';
import { opOf } from '../../ops/index.js';
import type { Rule } from './rewriter.js';

/**
 * Prologues: a channel map that is only read where readers can apply it on the fly is not written at all; they read its
 * input instead. In training this is what keeps one feature map per convolution, not two.
 */
export const prologue: Rule = (node, work) => {
  const map = opOf(node).map?.(node);
  if (!map || work.isPinned(node.outputs.y)) return;
  const readers = [...work.readersOf(node.outputs.y)];
  if (readers.length === 0 || !readers.every(([reader, inputs]) => inputs.every((i) => accepts(reader, i))))
    return;
  const { x, scale: preScale, shift: preShift, slope: preSlope } = map;
  // An activation of a sum that nobody else reads comes at the end of what adds (`foldSums`): computed once, and written.
  const producer = work.producerOf(x);
  if (!preScale && producer && opOf(producer).sum?.(producer) && work.onlyReader(x, node)) return;
  for (const [reader] of readers) {
    work.replace(reader, [{ ...reader, inputs: { ...reader.inputs, x, preScale, preShift, preSlope } }]);
  }
  work.replace(node, []);
};

const accepts = (reader: Node, input: string): boolean =>
  opOf(reader).prologue === input && !reader.inputs.preScale && !reader.inputs.preSlope;
