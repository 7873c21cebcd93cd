import { opOf } from '../../ops/index.js';
import type { Rule } from './rewriter.js';

/**
 * An upsampling mixes pixels by weights that add up to one, so what maps pixels one by one, linearly but for a constant, gives the
 * same before it as after it but for rounding, of fewer pixels. Comes after `fold`: an activation behind the map holds it back.
 */
export const beforeUpsampling: Rule = (node, work) => {
  const pointwise = opOf(node).pointwise?.(node);
  const producer = pointwise && work.producerOf(pointwise.x);
  const upsampling = producer && opOf(producer).upsampling?.(producer);
  if (!upsampling || !work.onlyReader(pointwise.x, node)) return;
  work.rewrite(node, producer, ({ emit }) => {
    const mapped = pointwise.of(upsampling.x, { emit, label: node.label });
    return { y: upsampling.of(mapped, { emit, label: producer.label }) };
  });
};
