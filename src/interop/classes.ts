import { UserError } from '../errors.js';
import { modelSlots, smallestPlan } from '../model/model.js';
import type { Network } from '../nets/network.js';
import type { ForeignTensor } from './pytorch.js';
import { pytorchNames } from './pytorch.js';

/**
 * The number of classes of foreign weights, from the tensors whose length it is: those that grow from 2 to 3 where the
 * network does.
 * @throws UserError where the file has none of them.
 */
export function countClasses(
  make: (classes: number) => Network,
  tensors: ReadonlyMap<string, ForeignTensor>,
  file: string,
): number {
  const two = modelSlots(smallestPlan(make(2)));
  const three = modelSlots(smallestPlan(make(3)));
  const names = pytorchNames(two.keys());
  for (const [name, { shape }] of two) {
    if (shape[3] !== 2 || three.get(name)?.shape[3] !== 3) continue;
    const foreign = names.get(name)!;
    const tensor = tensors.get(foreign) ?? tensors.get(`module.${foreign}`);
    if (tensor) return tensor.shape[0];
  }
  throw new UserError(`${file}: lacks the head of ${make(2).name}; is it a checkpoint of this network?`);
}
