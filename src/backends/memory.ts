import { MemoryError } from '../errors.js';

/** What Node, the code, and images in flight take besides the plan. */
export const processBytes = 250 * 2 ** 20;

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/**
 * Checks that a training plan fits.
 * @param planBytes arena of the plan for a batch size.
 * @param usable what the device can give (`Backend.usableBytes`).
 * @throws MemoryError that says how much is needed and which batch fits.
 */
export function checkBatch(batch: number, planBytes: (batch: number) => number, usable: number): void {
  const needed = planBytes(batch) + processBytes;
  if (needed <= usable) return;
  // Each try makes a plan, so few of them; halves are also what people choose.
  let fits = batch >> 1;
  while (fits > 0 && planBytes(fits) + processBytes > usable) fits >>= 1;
  const way =
    fits > 0
      ? `\`batch: ${fits}\` fits${fits > 1 ? '' : ' (with `accumulate` for a larger step)'}`
      : 'choose smaller images, as no batch fits';
  throw new MemoryError(
    `batch ${batch} needs ${mebibytes(needed)} of memory but ${mebibytes(usable)} are available: ${way}`,
    needed,
    usable,
  );
}

/**
 * Checks that an inference plan for one picture fits.
 * @param planBytes arena of the plan for a size in pixels.
 * @param usable what the device can give (`Backend.usableBytes`).
 * @throws MemoryError that says how much is needed, and the largest window that fits.
 */
export function checkPicture(
  { height, width }: { readonly height: number; readonly width: number },
  needed: number,
  planBytes: (height: number, width: number) => number,
  usable: number,
): void {
  if (needed <= usable) return;
  const windows = [1024, 512, 256, 128].map((side) => [side, 2 * side] as const);
  const fits = windows.find(
    ([high, wide]) => high * wide < height * width && planBytes(high, wide) <= usable,
  );
  const way = fits ? `\`window: [${fits.join(', ')}]\` fits` : 'use a machine with more memory';
  throw new MemoryError(
    `${height}×${width} pixels need ${mebibytes(needed)} of memory but ${mebibytes(usable)} are available; ${way}`,
    needed,
    usable,
  );
}
