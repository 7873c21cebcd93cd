import { freemem } from 'node:os';
import { UserError } from '../errors.js';
import type { Plan } from '../graph/planned.js';
import { formatBytes } from './format.js';

/** 32-bit addresses of WebAssembly reach this far. */
const addressable = 2 ** 32;

/** Bytes this process may still take, container limits included. */
export function availableBytes(): number {
  return process.availableMemory?.() ?? freemem();
}

/**
 * Checks that the arena of `planFor(batch)` fits into memory, before anything is allocated.
 * @param planFor plans the same run with another number of images per step.
 * @param available default: what the machine has free, and WebAssembly can address.
 * @returns the plan.
 * @throws UserError naming the need and the largest `--batch` that fits.
 */
export function planWithinMemory(
  planFor: (batch: number) => Plan,
  batch: number,
  available = Math.min(availableBytes(), addressable),
): Plan {
  const plan = planFor(batch);
  if (plan.arenaBytes <= available) return plan;
  const fits = (candidate: number) => planFor(candidate).arenaBytes <= available;
  // The arena grows with every image, so the largest batch that fits is found by halving.
  let low = 0;
  let high = batch;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  const advice =
    low > 0
      ? `--batch ${low} fits`
      : `not even --batch 1 fits (${formatBytes(planFor(1).arenaBytes)}); choose a smaller --size`;
  throw new UserError(
    `--batch ${batch} needs ${formatBytes(plan.arenaBytes)} but ${formatBytes(available)} are available: ${advice}`,
  );
}
