import type { NetworkKind } from '../nets/define.js';
import { networks } from '../nets/index.js';
import type { ModelFile } from './format.js';
import { type Model, rebuild } from './rebuild.js';

export type { Model } from './rebuild.js';

export interface ModelOptions {
  /** Kinds of networks of your own, which a model may be of. */
  readonly networks?: readonly NetworkKind[];
}

/** Rebuilds the network of a file, of this package or one's own, see {@link rebuild}. */
export const modelOf = (model: ModelFile, file: string, { networks: own = [] }: ModelOptions = {}): Model =>
  rebuild(model, file, [...own, ...networks]);
