import type { Backend } from '../backends/backend.js';
import { compileTraining } from '../compile.js';
import type { Plan } from '../graph/planned.js';
import type { Network } from '../nets/network.js';
import type { ResolvedTrainConfig } from './config.js';

/** The plan of a run's training step. */
export const trainingPlan = (
  network: Network,
  config: ResolvedTrainConfig,
  { scratchBytes }: Pick<Backend, 'scratchBytes'>,
  size: {
    readonly batch: number;
    readonly height: number;
    readonly width: number;
    /** Whether classes have weights in the loss. */
    readonly weighted: boolean;
  },
): Plan =>
  compileTraining(network, {
    batch: size.batch,
    height: size.height,
    width: size.width,
    policy: config.policy,
    precision: config.precision,
    scratchBytes,
    losses: config.loss,
    labelSmoothing: config.labelSmoothing,
    hard: config.ohem,
    classWeights: size.weighted,
    optimizer: config.optimizer,
    average: config.average !== undefined,
  });
