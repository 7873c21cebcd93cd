/** Direct convolutions of which some taps meet only padding. */
import type { DirectConv } from './direct.js';
import { gridOf, leastFlops } from './direct.js';

/**
 * Taps that meet nothing but padding are left out, and where a dilation is large for the feature map, the grid is cut into
 * parts that each have some.
 */
export function partsOf(conv: DirectConv): DirectConv[] {
  const { x, taps, steps, stride, origin, step } = conv;
  const [rows, columns] = gridOf(conv);
  if (rows < 1 || columns < 1) return [];
  const reaching = (all: DirectConv['taps'], height: number, width: number) =>
    all.filter(
      (tap) => meets(tap.y, stride[0], x.shape[1], height) && meets(tap.x, stride[1], x.shape[2], width),
    );
  const [across, along] = [taps.map((tap) => tap.y), taps.map((tap) => tap.x)].map((offsets, axis) =>
    cuts(offsets, stride[axis], x.shape[1 + axis], [rows, columns][axis]),
  );
  const parts = across.flatMap(([top, height]) =>
    along.map(([left, width]): DirectConv => {
      const moved = taps.map(({ y, x, source }) => ({
        y: y + top * stride[0],
        x: x + left * stride[1],
        source,
      }));
      return {
        ...conv,
        taps: reaching(moved, height, width),
        origin: [origin[0] + top * step[0], origin[1] + left * step[1]],
        extent: [height, width],
      };
    }),
  );
  const live = reaching(taps, rows, columns);
  const products = (taps: number, pixels: number) =>
    2 * x.shape[0] * pixels * taps * steps.inputs * steps.outputs;
  const whole = products(live.length, rows * columns);
  const inParts = parts.reduce(
    (sum, { taps, extent }) => sum + products(taps.length, extent![0] * extent![1]),
    0,
  );
  return whole - inParts > leastFlops * (parts.length - 1) && inParts < 0.8 * whole
    ? parts
    : [{ ...conv, taps: live }];
}

/** Whether some of `count` outputs read inside, at a tap that lies `offset` from the first. */
const meets = (offset: number, stride: number, length: number, count: number): boolean =>
  offset < length && offset + (count - 1) * stride >= 0;

/** `count` outputs in a row, cut where taps enter and leave an input of `length`: first output and number of each part. */
function cuts(
  offsets: readonly number[],
  stride: number,
  length: number,
  count: number,
): [first: number, count: number][] {
  const edges = offsets.flatMap((offset) => [
    Math.ceil(-offset / stride),
    Math.ceil((length - offset) / stride),
  ]);
  const inside = [...new Set(edges)].filter((edge) => edge > 0 && edge < count).sort((a, b) => a - b);
  return [0, ...inside].map((first, i) => [first, (inside[i] ?? count) - first]);
}
