import type { Value } from '../../ir/value.js';
import { opOf } from '../../ops/index.js';
import type { Rewriter, Rule } from './rewriter.js';

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

/** Pixels that an upsampling makes of one, at least, for taps to come before it: what they make is as many maps as they are. */
const leastScale = 16;

/**
 * What adds up all channels of maps side by side, some of which are upsampled by far, takes these before their upsampling and the
 * others by themselves (the pyramid of PSPNet: half of the channels of its largest convolution, from 50 pixels).
 */
export const tapsBeforeUpsampling: Rule = (node, work) => {
  const sum = opOf(node).sumOfChannels?.(node);
  const joined = sum && work.producerOf(sum.x);
  if (!joined || opOf(joined).view !== 'join' || !work.onlyReader(sum.x, node)) return;
  const parts = partsOf(Object.values(joined.inputs) as Value[], work);
  const coarse = parts.filter(({ upsampling }) => upsampling);
  const others = parts.filter(({ upsampling }) => !upsampling);
  if (coarse.length === 0 || others.length === 0) return;
  work.rewrite(node, undefined, ({ emit }) => {
    const place = { emit, label: node.label };
    let all: Value | undefined;
    for (const { from, upsampling } of coarse) {
      all = sum.ofUpsampled(upsampling!.x, from, upsampling!.attrs, all, place);
    }
    const channels = others.map(({ value, from }) => [from, value.shape[3]] as const);
    const rest =
      others.length === 1 ? others[0].value : emit('concat', named(others), {}, { label: joined.label }).y;
    return { y: sum.whole(rest, channels, all!, place) };
  });
};

/** Maps side by side: the first channel of each, and the upsampling that makes it, if it is worth coming after the taps. */
function partsOf(maps: readonly Value[], work: Rewriter) {
  let from = 0;
  return maps.map((value) => {
    const producer = work.producerOf(value);
    const upsampling = producer && opOf(producer).upsampling?.(producer);
    const pixels = ({ shape: [, height, width] }: Value) => height * width;
    const far = upsampling && pixels(value) >= leastScale * pixels(upsampling.x);
    const part = { value, from, upsampling: far ? upsampling : undefined };
    from += value.shape[3];
    return part;
  });
}

const named = (parts: readonly { readonly value: Value }[]): Record<string, Value> =>
  Object.fromEntries(parts.map(({ value }, i) => [`x${i}`, value]));
