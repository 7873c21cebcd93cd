import { stem } from '../dataset.js';
import { hashString } from '../rng.js';

/**
 * Splits a set that has no splits of its own: ordered by a hash of their names, the first tenth (rounded, at least one)
 * is `val`, the rest `train`; one alone is `train`.
 * @param names of the images, with or without ending.
 * @returns the names that are validation images.
 */
export function valOfFlat(names: readonly string[]): Set<string> {
  if (names.length < 2) return new Set();
  const order = names.map((name) => ({ name, hash: hashString(stem(name)) }));
  order.sort((a, b) => a.hash - b.hash || (a.name < b.name ? -1 : 1));
  return new Set(order.slice(0, Math.max(1, Math.round(names.length / 10))).map(({ name }) => name));
}
