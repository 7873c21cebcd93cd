import type { ScratchRule } from '../../graph/planned.js';
import { Choices } from './choices.js';
import { everyWay } from './kernels/index.js';
import { leastCapabilities } from './kernels/kernel.js';
import { Lowering } from './lowering.js';

/** For plans that are only looked at: what an adapter is given on which nothing was measured. */
export const leastRule = (): ScratchRule => new Lowering(leastCapabilities, new Choices(), everyWay).rule;
