import { UserError } from '../errors.js';
import type { Model } from '../model/model.js';
import type { Network } from '../nets/network.js';
import type { TrainEvent } from './events.js';

/**
 * Replaces initial weights by those of a model, wherever name and shape agree; says what was left.
 * @param file is what messages name.
 * @throws UserError where less than half of it fits.
 */
export function takeWeights(
  source: Model,
  file: string,
  network: Network,
  weights: Map<string, Float32Array>,
  tell: ((event: TrainEvent) => void) | undefined,
): void {
  const left: string[] = [];
  const names = [...source.weights.keys()];
  for (const name of names) {
    const data = source.weights.get(name)!;
    if (weights.get(name)?.length === data.length) weights.set(name, data);
    else left.push(name);
  }
  if (left.length > names.length / 2) {
    throw new UserError(
      `${file}: only ${names.length - left.length} of its ${names.length} tensors fit network ${network.name} with these options; start from another model`,
    );
  }
  if (left.length > 0) {
    const [from, to] = [source.network.classes, network.classes];
    const why = from === to ? 'is another network in part' : `tells ${from} classes apart, not ${to}`;
    tell?.({
      type: 'notice',
      message: `${file}: ${why}: ${left.join(', ')} start fresh, the rest is kept`,
      ...(from === to ? {} : { otherClasses: { from, to } }),
    });
  }
}
