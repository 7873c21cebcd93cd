import { UserError } from '../errors.js';
import type { NetworkKind } from '../nets/define.js';
import { networkOfKind } from '../nets/define.js';
import type { Network } from '../nets/network.js';
import type { ModelFile, ModelInfo } from './format.js';
import { modelSlots, smallestPlan } from './slots.js';

/** A network with its weights and what they were trained for. */
export interface Model {
  readonly info: ModelInfo;
  readonly network: Network;
  /** Parameters and running statistics by slot name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/**
 * Rebuilds the network of a file, one of `kinds`, and checks that every tensor is there in its shape.
 * @throws UserError naming the file.
 */
export function rebuild({ info, weights }: ModelFile, file: string, kinds: readonly NetworkKind[]): Model {
  const network = networkOf(info, file, kinds);
  if (network.classes !== info.classes.names.length) {
    throw new UserError(
      `${file}: its network has ${network.classes} classes but it names ${info.classes.names.length}; use another copy`,
    );
  }
  const wanted = modelSlots(smallestPlan(network));
  for (const [name, slot] of wanted) {
    const tensor = weights.get(name);
    if (!tensor)
      throw new UserError(`${file}: lacks the tensor ${name} of network ${network.name}; use another file`);
    if (tensor.shape.join('×') !== slot.shape.join('×')) {
      throw new UserError(
        `${file}: tensor ${name} is ${tensor.shape.join('×')}, but network ${network.name} needs ${slot.shape.join('×')}; use another file`,
      );
    }
    const broken = tensor.data.filter((value) => !Number.isFinite(value)).length;
    if (broken > 0) {
      throw new UserError(
        `${file}: ${broken} of ${tensor.data.length} values of its tensor ${name} are no numbers (NaN or infinite); use an earlier checkpoint`,
      );
    }
  }
  return {
    info,
    network,
    weights: new Map([...wanted.keys()].map((name) => [name, weights.get(name)!.data])),
  };
}

function networkOf(info: ModelInfo, file: string, kinds: readonly NetworkKind[]): Network {
  try {
    return networkOfKind(info.network.name, info.network.config, kinds);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${file}: ${error.message}`);
  }
}
