import type { Node } from '../../ir/graph.js';
import type { Value } from '../../ir/value.js';
import { opOf } from '../../ops/index.js';
import { plus } from '../../ops/view.js';
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
const leastScale = (taps: number): number => Math.max(4, 2 * taps - 2);

/**
 * What adds up all channels of maps side by side, or of a sum of maps, some of which are upsampled by far, takes these before their
 * upsampling and the others by themselves (the pyramids of PSPNet: half of the channels of its largest convolution, from 50 pixels; and of
 * ICNet, a quarter of whose channels are upsampled then).
 */
export const tapsBeforeUpsampling: Rule = (node, work) => {
  const sum = opOf(node).sumOfChannels?.(node);
  const joined = sum && work.producerOf(sum.x);
  if (!joined || !work.onlyReader(sum.x, node)) return;
  const isJoin = opOf(joined).view === 'join';
  const maps = isJoin ? (Object.values(joined.inputs) as Value[]) : addendsOf(sum.x, node, work);
  if (maps.length < 2) return;
  let first = 0;
  const parts = maps.map((value) => {
    const part = {
      value,
      from: isJoin ? first : 0,
      upsampling: upsamplingOf(value, leastScale(sum.taps), work),
    };
    first += value.shape[3];
    return part;
  });
  const coarse = parts.filter(({ upsampling }) => upsampling);
  const others = parts.filter(({ upsampling }) => !upsampling);
  if (coarse.length === 0 || others.length === 0) return;
  work.rewrite(node, undefined, ({ emit }) => {
    const place = { emit, label: node.label };
    let all: Value | undefined;
    for (const { from, upsampling } of coarse) {
      all = sum.ofUpsampled(upsampling!.x, from, upsampling!.attrs, all, place);
    }
    const rest =
      isJoin && others.length > 1
        ? emit('concat', named(others), {}, { label: joined.label }).y
        : others.map(({ value }) => value).reduce((a, b) => plus(emit, a, b));
    const channels = (isJoin ? others : others.slice(0, 1)).map(
      ({ value, from }) => [from, value.shape[3]] as const,
    );
    return { y: sum.whole(rest, channels, all!, place) };
  });
};

/** The maps that a value is the sum of, where nothing else reads what lies between. */
function addendsOf(value: Value, reader: Node, work: Rewriter): Value[] {
  const producer = work.producerOf(value);
  const sum = producer && opOf(producer).sum?.(producer);
  if (sum?.sign !== 1 || !work.onlyReader(value, reader)) return [value];
  return [sum.a, sum.b].flatMap((each) => addendsOf(each, producer!, work));
}

/** What makes a map of one with so many times fewer pixels at least. */
function upsamplingOf(value: Value, scale: number, work: Rewriter) {
  const producer = work.producerOf(value);
  const upsampling = producer && opOf(producer).upsampling?.(producer);
  const pixels = ({ shape: [, height, width] }: Value) => height * width;
  return upsampling && pixels(value) >= scale * pixels(upsampling.x) ? upsampling : undefined;
}

const named = (parts: readonly { readonly value: Value }[]): Record<string, Value> =>
  Object.fromEntries(parts.map(({ value }, i) => [`x${i}`, value]));
