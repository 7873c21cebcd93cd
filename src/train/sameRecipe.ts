import { UserError } from '../errors.js';
import type { TrainEvent } from './events.js';
import type { TrainingState } from './state.js';

/** Class weights are derived from the data once; a resumed run keeps them. */
export function storedWeights(state: Pick<TrainingState, 'recipe'> | undefined): number[] | undefined {
  const weights = state?.recipe.weights;
  return Array.isArray(weights) ? weights.map(Number) : undefined;
}

/**
 * Checks that a resumed run does what it did before.
 * @throws UserError naming the first option that differs.
 */
export function checkSameRecipe(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
  out: string,
  tell: ((event: TrainEvent) => void) | undefined,
): void {
  // As stored: absent options are absent, not undefined.
  const asked: Record<string, unknown> = JSON.parse(JSON.stringify(now));
  for (const name of new Set([...Object.keys(before), ...Object.keys(asked)])) {
    if (isSame(before[name], asked[name])) continue;
    if (name === 'dataset') {
      // Runs that are older than the comparison have no such entry.
      if (before[name] === undefined) continue;
      throw new UserError(
        `${out}: was trained on other images or classes than the data set has now; point it at the same data, or start a new run from its weights`,
        2,
      );
    }
    const show = (value: unknown) => (value === undefined ? 'absent' : JSON.stringify(value));
    const difference = `${name} was ${show(before[name])} and is ${show(asked[name])} now`;
    if (name === 'backend') {
      const message = `${out}: ${difference}; results will differ in the last bits`;
      tell?.({ type: 'notice', message });
      continue;
    }
    throw new UserError(
      `${out}: ${difference}; resume with the options of the run, or start a new run with \`init\``,
      2,
    );
  }
}

/** Whether two values of JSON are alike, in whatever order their members stand. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [these, those] = [Object.entries(a), Object.entries(b)];
  return (
    these.length === those.length &&
    these.every(
      ([name, value]) => Object.hasOwn(b, name) && isSame(value, (b as Record<string, unknown>)[name]),
    )
  );
}
