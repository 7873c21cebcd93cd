import type { Network } from '../nets/network.js';
import type { ForeignTensor } from './pytorch.js';
import { pytorchNames } from './pytorch.js';
import { tensorsOf } from './tensors.js';

/**
 * The number of classes of foreign weights, from the tensors whose length it is: those that grow from 2 to 3 where the
 * network does.
 * @param tensor looks up a tensor by the name of `pytorchNames`.
 * @returns undefined where the file has none of them.
 */
export function countClasses(
  make: (classes: number) => Network,
  tensor: (name: string) => ForeignTensor | undefined,
): number | undefined {
  const two = tensorsOf(make(2));
  const three = tensorsOf(make(3));
  const names = pytorchNames(two.keys());
  for (const [name, shape] of two) {
    const grown = three.get(name)!;
    const axis = shape.findIndex((length, i) => length === 2 && grown[i] === 3);
    if (axis < 0) continue;
    const found = tensor(names.get(name)!);
    // Outputs come first there; of transposed convolutions, which are stored the other way round, second.
    const place = axis === 3 ? 0 : 1;
    if (found && found.shape.length > place) return found.shape[place];
  }
  return undefined;
}
