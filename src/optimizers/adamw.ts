import { adamDefaults, adamUpdate, adamVector } from './adam.js';
import { defineOptimizer } from './optimizer.js';

/** AdamW (Loshchilov & Hutter 2019): weight decay is taken off the weights directly. */
export const adamw = defineOptimizer({
  name: 'adamw',
  summary: 'Adam with decoupled weight decay',
  defaults: { ...adamDefaults, weightDecay: 1e-2 },
  ...adamUpdate,
  hyper: (options, learningRate, t) =>
    adamVector(options, learningRate, t, { weightDecay: 0, decoupledDecay: options.weightDecay }),
});
