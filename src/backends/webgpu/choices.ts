import type { Call, TensorRef } from '../../graph/planned.js';
import { formatShape } from '../../ir/value.js';

/**
 * What tells calls apart that a kernel computes in different ways: op, types, shapes, strides, attributes and which inputs are
 * constants, but not where tensors lie.
 */
export function signatureOf({ op, inputs, outputs, attrs, constants = [] }: Call): string {
  const refs = (record: object) =>
    Object.entries(record as Readonly<Record<string, TensorRef | undefined>>)
      .flatMap(([name, ref]) =>
        ref ? [`${name} ${ref.dtype} ${formatShape(ref.shape)}/${ref.pixelStride}`] : [],
      )
      .join(', ');
  const known = constants.length > 0 ? ` const ${constants.join(', ')}` : '';
  return `${op}(${refs(inputs)}) → ${refs(outputs)} ${JSON.stringify(attrs)}${known}`;
}

/** Of two calls that may run as one. */
export const pairSignatureOf = (first: Call, second: Call): string =>
  `${signatureOf(first)} + ${signatureOf(second)}`;

/** The choice for two calls that do not run as one. */
export const APART = 'apart';

/** The candidate that was the fastest on one adapter, by signature. */
export class Choices {
  private readonly names = new Map<string, string>();

  constructor(entries: Iterable<readonly [signature: string, candidate: string]> = []) {
    for (const [signature, candidate] of entries) this.names.set(signature, candidate);
  }

  of(signature: string): string | undefined {
    return this.names.get(signature);
  }

  set(signature: string, candidate: string): void {
    this.names.set(signature, candidate);
  }

  entries(): [signature: string, candidate: string][] {
    return [...this.names];
  }
}
