import type { Executor } from '../backends/backend.js';
import { adamHyper } from '../ops/optimizer.js';

/** Settings of the optimiser; the learning rate comes from the schedule. */
export interface OptimizerOptions {
  /** `adam`, `sgd`: weight decay is an L2 term of the gradient; `adamw`: it is taken off the weights directly. */
  readonly kind: 'adam' | 'adamw' | 'sgd';
  /** Adam's, default 0.9. */
  readonly beta1?: number;
  /** Adam's, default 0.999. */
  readonly beta2?: number;
  /** Adam's, default 1e-8. */
  readonly eps?: number;
  /** SGD's, default 0.9. */
  readonly momentum?: number;
  /** Default 1e-4, for `adamw` 1e-2. */
  readonly weightDecay?: number;
}

/** What turns the gradient into new weights, with what it remembers: flat vectors as long as the flat parameters. */
export interface Optimizer {
  /** Names of the vectors it remembers, as checkpoints call them. */
  readonly moments: readonly string[];
  /**
   * Updates the executor's weights. @param grads what its slot `grads` holds. @param t this update, counted from 1.
   */
  update(grads: Float32Array, learningRate: number, t: number): Promise<void>;
  read(moment: string): Promise<Float32Array>;
  write(moment: string, flat: Float32Array): void;
}

/** The optimiser for an executor of a training plan. */
export const createOptimizer = (executor: Executor, options: OptimizerOptions): Optimizer =>
  options.kind === 'sgd' ? new HostSgd(executor, options) : new DeviceAdam(executor, options);

/** The plan's own `update` phase. */
class DeviceAdam implements Optimizer {
  readonly moments = ['adam.m', 'adam.v'];

  constructor(
    private readonly executor: Executor,
    private readonly options: OptimizerOptions,
  ) {}

  async update(_grads: Float32Array, learningRate: number, t: number): Promise<void> {
    this.executor.write('hyper', hyperOf(this.options, learningRate, t));
    await this.executor.run('update');
  }

  async read(moment: string): Promise<Float32Array> {
    return (await this.executor.read(moment)) as Float32Array;
  }

  write(moment: string, flat: Float32Array): void {
    this.executor.write(moment, flat);
  }
}

/** SGD outside the plan: networks of this size have few weights, and a pass over them takes less than a millisecond. */
class HostSgd implements Optimizer {
  readonly moments = ['sgd.velocity'];
  private velocity: Float32Array;

  constructor(
    private readonly executor: Executor,
    private readonly options: OptimizerOptions,
  ) {
    this.velocity = new Float32Array(executor.plan.flatParams.length);
  }

  async update(grads: Float32Array, learningRate: number): Promise<void> {
    const { momentum = 0.9, weightDecay = defaultWeightDecay('sgd') } = this.options;
    const params = (await this.executor.read('params')) as Float32Array;
    sgdStep(params, grads, this.velocity, { learningRate, momentum, weightDecay });
    this.executor.write('params', params);
  }

  async read(): Promise<Float32Array> {
    return this.velocity.slice();
  }

  write(_moment: string, flat: Float32Array): void {
    this.velocity = flat.slice();
  }
}

/**
 * SGD with momentum in PyTorch's form, in place: `g += weightDecay·p; v = momentum·v + g; p −= lr·v`, v zero at first.
 */
export function sgdStep(
  params: Float32Array,
  grads: Float32Array,
  velocity: Float32Array,
  options: { learningRate: number; momentum: number; weightDecay: number },
): void {
  const { learningRate, momentum, weightDecay } = options;
  for (let i = 0; i < params.length; i++) {
    velocity[i] = momentum * velocity[i] + grads[i] + weightDecay * params[i];
    params[i] -= learningRate * velocity[i];
  }
}

/**
 * The `hyper` vector of one update by Adam.
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
  hyper[adamHyper.weightDecay] = kind === 'adamw' ? 0 : weightDecay;
  hyper[adamHyper.decoupledDecay] = kind === 'adamw' ? weightDecay : 0;
  hyper[adamHyper.correction1] = 1 - beta1 ** t;
  hyper[adamHyper.correction2] = 1 - beta2 ** t;
  return hyper;
}

/** Weight decay where none is given. */
const defaultWeightDecay = (kind: OptimizerOptions['kind']): number => (kind === 'adamw' ? 1e-2 : 1e-4);
