import { sgdHyper } from '../ops/sgd.js';
import { defineOptimizer, hyperVector } from './optimizer.js';

/** Stochastic gradient descent with momentum, in PyTorch's form. */
export const sgd = defineOptimizer({
  name: 'sgd',
  summary: 'gradient descent with momentum',
  defaults: { momentum: 0.9, weightDecay: 1e-4 },
  moments: ['sgd.velocity'],
  still: [0, 1, 0, 0],
  hyper: (options, learningRate) => hyperVector(sgdHyper, 4, { learningRate, ...options }),
  update: (emit, { param, grad, moments: [velocity], hyper }) =>
    emit('sgd', { param, grad, velocity, hyper }, {}).newParam,
});
