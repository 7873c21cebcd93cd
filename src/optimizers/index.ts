import { UserError } from '../errors.js';
import { adam } from './adam.js';
import { adamw } from './adamw.js';
import type { OptimizerRule } from './optimizer.js';
import { sgd } from './sgd.js';

/** Every optimiser. */
export const optimizers = [adam, adamw, sgd] as const;

type Rules = (typeof optimizers)[number];
export type OptimizerName = Rules['name'];
/** An optimiser by name with its hyper-parameters; those left out have their defaults. */
export type OptimizerOptions = {
  readonly [R in Rules as R['name']]: { readonly kind: R['name'] } & Readonly<Partial<R['defaults']>>;
}[OptimizerName];
export type AnyOptimizer = OptimizerRule<OptimizerName, Readonly<Record<string, number>>>;

export const optimizerNames = optimizers.map(({ name }) => name) as [OptimizerName, ...OptimizerName[]];

export const optimizerNamed = (name: OptimizerName): AnyOptimizer =>
  optimizers.find((rule) => rule.name === name) as unknown as AnyOptimizer;

/**
 * The `hyper` vector of one update, see the op of the optimiser.
 * @param t number of this update, counted from 1.
 * @throws UserError for a hyper-parameter that the optimiser does not have.
 */
export function hyperOf(options: OptimizerOptions, learningRate: number, t: number): Float32Array {
  const { kind, ...given } = options;
  const rule = optimizerNamed(kind);
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name] of set) {
    if (!(name in rule.defaults)) {
      throw new UserError(`${kind} has no ${name}: it has ${Object.keys(rule.defaults).join(', ')}`);
    }
  }
  return rule.hyper({ ...rule.defaults, ...Object.fromEntries(set) }, learningRate, t);
}
