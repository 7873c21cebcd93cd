import { MemoryError } from '../library.ts';
import { text } from '../text.ts';

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** What needs memory, and which choice of the page makes it need less. */
export interface Need {
  readonly name: string;
  readonly way: keyof typeof text.problems.smaller;
}

/** What an error says to people. Where memory is short: how much is needed, and what to choose. */
export function sentence(error: unknown, need?: Need): string {
  const { memory, noMemory, smaller } = text.problems;
  if (need && error instanceof MemoryError) {
    const { needed, usable } = error;
    const had = usable === undefined ? undefined : mebibytes(usable);
    return memory(need.name, mebibytes(needed), had, smaller[need.way]);
  }
  // What browsers say of an array that cannot be made.
  if (need && error instanceof RangeError) return noMemory(need.name, smaller[need.way]);
  return error instanceof Error ? error.message : String(error);
}

/** That a GPU does not have the memory for something, and what goes on. */
export const withoutGpu = (name: string, { needed }: MemoryError): string =>
  text.problems.gpuMemory(name, mebibytes(needed));
