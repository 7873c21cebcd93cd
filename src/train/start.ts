import { isDeepStrictEqual } from 'node:util';
import { isFile, isFolder } from '../data/files.js';
import { UserError } from '../errors.js';
import { readModel } from '../model/file.js';
import { modelOf } from '../model/model.js';
import type { Network } from '../nets/index.js';
import type { TrainingState } from './checkpoint.js';
import { readLast, runFiles } from './checkpoint.js';
import type { ResolvedTrainConfig } from './config.js';
import type { TrainEvent } from './events.js';

type Tell = ((event: TrainEvent) => void) | undefined;

/**
 * The checkpoint to go on from; `undefined` for a run from the beginning.
 * @throws UserError where a new run would overwrite another, or there is no run to resume.
 */
export async function findStart(
  { out, resume }: Pick<ResolvedTrainConfig, 'out' | 'resume'>,
  tell: Tell,
): Promise<{ state: TrainingState; file: string } | undefined> {
  const { last, previous, config } = runFiles(out);
  if (!resume) {
    if (isFile(last) || isFile(previous)) {
      throw new UserError(`${out}: holds a run already; go on with \`resume\`, or choose another \`out\``);
    }
    return undefined;
  }
  if (!isFolder(out)) throw new UserError(`${out}: no such run folder to resume; start without \`resume\``);
  const found = await readLast(out);
  if (found?.notice) tell?.({ type: 'notice', message: found.notice });
  if (!found) {
    if (!isFile(config)) throw new UserError(`${out}: holds no run to resume; start without \`resume\``);
    tell?.({ type: 'notice', message: `${out}: was stopped before its first checkpoint; starting again` });
  }
  return found;
}

/** Class weights are derived from the data once; a resumed run keeps them. */
export function storedWeights(state: TrainingState | undefined): number[] | undefined {
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
  tell: Tell,
): void {
  // As stored: absent options are absent, not undefined.
  const asked: Record<string, unknown> = JSON.parse(JSON.stringify(now));
  for (const name of new Set([...Object.keys(before), ...Object.keys(asked)])) {
    if (isDeepStrictEqual(before[name], asked[name])) continue;
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

/**
 * Replaces initial weights by those of a model, wherever name and shape agree; says what was left.
 * @throws UserError where the file is no model, or less than half of it fits.
 */
export async function takeFrom(
  file: string,
  network: Network,
  weights: Map<string, Float32Array>,
  tell: Tell,
): Promise<void> {
  const source = modelOf(await readModel(file), file);
  const left: string[] = [];
  const names = [...source.weights.keys()];
  for (const name of names) {
    const data = source.weights.get(name)!;
    if (weights.get(name)?.length === data.length) weights.set(name, data);
    else left.push(name);
  }
  if (left.length > names.length / 2) {
    throw new UserError(
      `${file}: only ${names.length - left.length} of its ${names.length} tensors fit network ${network.name} with these options; start from another model`,
    );
  }
  if (left.length > 0) {
    tell?.({ type: 'notice', message: `${file}: does not fit in ${left.join(', ')}, which start fresh` });
  }
}
