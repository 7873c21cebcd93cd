import { Rng } from './rng.js';

/** The order of an epoch's samples, as positions in the sorted split: Fisher–Yates from (seed, epoch). */
export const epochOrder = (count: number, seed: number, epoch: number): number[] =>
  Rng.of(0x6f7264, seed, epoch).shuffle([...Array(count).keys()]);
