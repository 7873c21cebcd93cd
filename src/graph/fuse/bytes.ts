import { opOf } from '../../ops/index.js';
import type { Rule } from './rewriter.js';

/**
 * Readers of a normalised image that can normalise bytes as they read them do so; the numbers are written only for the
 * others. Comes before `prologue`: no reader has one yet, which bytes would go through as well.
 */
export const bytes: Rule = (node, work) => {
  const image = opOf(node).image?.(node);
  if (!image) return;
  const { x, normalize } = image;
  for (const [reader, inputs] of [...work.readersOf(node.outputs.y)]) {
    if (inputs.length !== 1 || opOf(reader).bytes !== inputs[0]) continue;
    const read = { ...reader, inputs: { ...reader.inputs, x }, attrs: { ...reader.attrs, normalize } };
    work.replace(reader, [read]);
  }
};
