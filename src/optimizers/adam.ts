import { adamHyper } from '../ops/adam.js';
import { defineOptimizer, hyperVector } from './optimizer.js';

/** Numbers of every Adam. */
export const adamDefaults = { beta1: 0.9, beta2: 0.999, eps: 1e-8 };

/** No step, moments that stay, and no division by zero. */
const still: Readonly<Record<keyof typeof adamHyper, number>> = {
  ...{ learningRate: 0, beta1: 1, beta2: 1, eps: 1 },
  ...{ weightDecay: 0, decoupledDecay: 0, correction1: 1, correction2: 1 },
};

/** What `adam` and `adamw` share; they differ in where weight decay goes. */
export const adamUpdate = {
  moments: ['adam.m', 'adam.v'],
  still: [...hyperVector(adamHyper, 8, still)],
  update: (emit, { param, grad, moments: [m, v], hyper }) =>
    emit('adam', { param, grad, m, v, hyper }, {}).newParam,
} satisfies Partial<Parameters<typeof defineOptimizer>[0]>;

/** The `hyper` vector of `ops/adam.ts`. */
export const adamVector = (
  options: typeof adamDefaults,
  learningRate: number,
  t: number,
  decay: { readonly weightDecay: number; readonly decoupledDecay: number },
): Float32Array =>
  hyperVector(adamHyper, adamUpdate.still.length, {
    learningRate,
    ...{ beta1: options.beta1, beta2: options.beta2, eps: options.eps },
    ...decay,
    correction1: 1 - options.beta1 ** t,
    correction2: 1 - options.beta2 ** t,
  });

/** Adam (Kingma & Ba 2015); weight decay is an L2 term of the gradient. */
export const adam = defineOptimizer({
  name: 'adam',
  summary: 'Adam; weight decay is an L2 term of the gradient',
  defaults: { ...adamDefaults, weightDecay: 1e-4 },
  ...adamUpdate,
  hyper: (options, learningRate, t) =>
    adamVector(options, learningRate, t, { weightDecay: options.weightDecay, decoupledDecay: 0 }),
});
