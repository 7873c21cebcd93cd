import type { Slot } from '../graph/planned.js';
import { sizeOf } from '../ir/value.js';

type Data = Float32Array | Uint8Array;

/**
 * The array that a slot is read into: `into`, or a new one.
 * @throws Error where `into` has another type or number of elements.
 */
export function targetOf({ dtype, shape }: Slot, into?: Data): Data {
  const Kind = dtype === 'f32' ? Float32Array : Uint8Array;
  const size = sizeOf(shape);
  if (!into) return new Kind(size);
  if (into instanceof Kind && into.length === size) return into;
  throw new Error(
    `read: expected a ${Kind.name} of ${size} elements, got a ${into.constructor.name} of ${into.length}`,
  );
}

/** Copies a slot's elements without the gaps between its pixels, `pixelStride` elements apart where they begin. */
export function densely(slot: Slot, elements: Data, into?: Data): Data {
  const target = targetOf(slot, into);
  const { pixelStride, shape } = slot;
  const channels = shape[3];
  if (pixelStride === channels) {
    target.set(elements.subarray(0, target.length));
    return target;
  }
  for (let p = 0; p * channels < target.length; p++) {
    target.set(elements.subarray(p * pixelStride, p * pixelStride + channels), p * channels);
  }
  return target;
}
