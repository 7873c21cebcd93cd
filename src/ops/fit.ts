import { UserError } from '../errors.js';
import type { Shape, Value } from '../ir/value.js';
import { formatShape } from '../ir/value.js';

/** Throws `UserError` unless each vector that is given holds one number per channel. */
export function expectVectors(channels: number, ...vectors: readonly (Value | undefined)[]): void {
  for (const vector of vectors) {
    if (vector && formatShape(vector.shape) !== `1×1×1×${channels}`) {
      throw new UserError(
        `${vector.name}: a vector of shape ${formatShape(vector.shape)} does not fit ${channels} channels`,
      );
    }
  }
}

/** Throws `UserError` unless the value, if given, has the shape; `op` is named in the message. */
export function expectShape(op: string, value: Value | undefined, shape: Shape): void {
  if (value && formatShape(value.shape) !== formatShape(shape)) {
    throw new UserError(
      `${op}: ${value.name} is ${formatShape(value.shape)}, expected ${formatShape(shape)}`,
    );
  }
}
