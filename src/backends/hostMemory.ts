import { totalmem } from 'node:os';

/** Bytes this process may still take: what is free or can be freed, container limits included. */
export function usableMemory(): number {
  // Elsewhere "available" leaves out memory that the system would free at once.
  if (process.platform === 'linux' && process.availableMemory) return process.availableMemory();
  return totalmem();
}
