import { compileInference } from '../compile.js';
import { UserError } from '../errors.js';
import type { Plan, Slot } from '../graph/planned.js';
import type { NetworkKind } from '../nets/define.js';
import type { Network } from '../nets/index.js';
import { networkFromConfig } from '../nets/index.js';
import type { ModelFile, ModelInfo } from './format.js';

/** A network with its weights and what they were trained for. */
export interface Model {
  readonly info: ModelInfo;
  readonly network: Network;
  /** Parameters and running statistics by slot name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export interface ModelOptions {
  /** Kinds of networks of your own, which a model may be of. */
  readonly networks?: readonly NetworkKind[];
}

/** Rebuilds the network of a file and checks that every tensor is there in its shape. */
export function modelOf({ info, weights }: ModelFile, file: string, options: ModelOptions = {}): Model {
  const network = networkOf(info, file, options);
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

function networkOf(info: ModelInfo, file: string, { networks }: ModelOptions): Network {
  try {
    return networkFromConfig(info.network.name, info.network.config, networks);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${file}: ${error.message}`);
  }
}

/** A plan that is only looked at, for the names and shapes of a network's tensors. */
export const smallestPlan = (network: Network): Plan =>
  compileInference(network, { batch: 1, height: 32, width: 32, scratchBytes: () => 0 });

/** The slots of a plan that make up a model: parameters and running statistics, not the optimiser's moments. */
export function modelSlots(plan: Plan): Map<string, Slot> {
  return new Map(
    Object.entries(plan.slots).filter(
      ([, { initial, role }]) => initial !== undefined && (role === 'param' || role === 'state'),
    ),
  );
}
