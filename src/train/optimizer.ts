import { adamHyper } from '../ops/optimizer.js';

/** Settings of the optimiser; the learning rate comes from the schedule. */
export interface OptimizerOptions {
  /** `adam`: weight decay is an L2 term of the gradient; `adamw`: it is taken off the weights directly. */
  readonly kind: 'adam' | 'adamw';
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly eps?: number;
  /** Default 1e-4 for `adam`, 1e-2 for `adamw`. */
  readonly weightDecay?: number;
}

/**
 * The `hyper` vector of one update.
 * @param t number of this update, counted from 1.
 */
export function hyperOf(options: OptimizerOptions, learningRate: number, t: number): Float32Array {
  const { kind, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = options;
  const weightDecay = options.weightDecay ?? defaultWeightDecay(kind);
  const hyper = new Float32Array(8);
  hyper[adamHyper.learningRate] = learningRate;
  hyper[adamHyper.beta1] = beta1;
  hyper[adamHyper.beta2] = beta2;
  hyper[adamHyper.eps] = eps;
  hyper[adamHyper.weightDecay] = kind === 'adam' ? weightDecay : 0;
  hyper[adamHyper.decoupledDecay] = kind === 'adamw' ? weightDecay : 0;
  hyper[adamHyper.correction1] = 1 - beta1 ** t;
  hyper[adamHyper.correction2] = 1 - beta2 ** t;
  return hyper;
}

/** Weight decay where none is given. */
export const defaultWeightDecay = (kind: OptimizerOptions['kind']): number => (kind === 'adam' ? 1e-4 : 1e-2);
