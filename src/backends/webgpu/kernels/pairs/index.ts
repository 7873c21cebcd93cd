import { convArgmax } from './convArgmax.js';
import { convCross } from './convCross.js';
import { convCrossRuns } from './convCrossRuns.js';
import { convPyramid } from './convPyramid.js';
import { convWindow } from './convWindow.js';
import { gradInputPrelu } from './gradInputPrelu.js';
import type { Pair } from './pair.js';

const pairs: readonly Pair[] = [
  convCross,
  convCrossRuns,
  convWindow,
  convArgmax,
  convPyramid,
  gradInputPrelu,
];

/** The ways to run two calls as one. */
export const pairCandidatesOf: Pair = (first, second, able) =>
  pairs.flatMap((candidates) => candidates(first, second, able));
