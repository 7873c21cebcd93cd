import { totalmem } from 'node:os';
import { UserError } from '../errors.js';

/** What Node, the code, and images in flight take besides the plan. */
export const processBytes = 250 * 2 ** 20;

/** 32-bit addresses of WebAssembly reach this far. */
export const wasmBytes = 2 ** 32;

/** Bytes this process may still take: what is free or can be freed, container limits included. */
export function usableMemory(): number {
  // Elsewhere "available" leaves out memory that the system would free at once.
  if (process.platform === 'linux' && process.availableMemory) return process.availableMemory();
  return totalmem();
}

/**
 * Checks that a plan fits the machine.
 * @param planBytes arena of the plan for a batch size.
 * @throws UserError that says how much is needed and which batch fits.
 */
export function checkMemory(
  batch: number,
  planBytes: (batch: number) => number,
  usable = usableMemory(),
): void {
  const needed = planBytes(batch) + processBytes;
  if (needed <= usable) return;
  const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  // Each try makes a plan, so few of them; halves are also what people choose.
  let fits = batch >> 1;
  while (fits > 0 && planBytes(fits) + processBytes > usable) fits >>= 1;
  const way =
    fits > 0
      ? `--batch ${fits} fits${fits > 1 ? '' : ' (with --accumulate for a larger step)'}`
      : 'choose a smaller --size, as no batch fits';
  throw new UserError(
    `batch ${batch} needs ${mebibytes(needed)} of memory but ${mebibytes(usable)} are available: ${way}`,
  );
}
