import { isFile, isFolder } from '../data/files.js';
import { UserError } from '../errors.js';
import { readModel } from '../model/file.js';
import { modelOf } from '../model/model.js';
import type { Network } from '../nets/index.js';
import type { TrainingState } from './checkpoint.js';
import { readLast, runFiles } from './checkpoint.js';
import type { ResolvedTrainConfig } from './config.js';
import type { TrainEvent } from './events.js';
import { takeWeights } from './takeWeights.js';

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

/** Replaces initial weights by those of a model file. @throws UserError as `takeWeights`, and where it is no model. */
export async function takeFrom(
  file: string,
  network: Network,
  weights: Map<string, Float32Array>,
  tell: Tell,
): Promise<void> {
  takeWeights(modelOf(await readModel(file), file), file, network, weights, tell);
}
