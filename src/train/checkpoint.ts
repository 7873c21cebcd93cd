import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isFile, readBytes } from '../data/files.js';
import { UserError } from '../errors.js';
import { writeDurable } from '../model/durable.js';
import { decodeTraining, encodeTraining, type TrainingState } from './state.js';

export type { Progress, TrainingState } from './state.js';

/** Writes a training checkpoint; an existing `file` moves to `previous`. */
export const writeTraining = (file: string, state: TrainingState, previous?: string): Promise<void> =>
  writeDurable(file, encodeTraining(state), previous);

/** Reads a training checkpoint. @throws UserError as {@link decodeTraining}, naming the file. */
export const readTraining = async (file: string): Promise<TrainingState> =>
  decodeTraining(await readBytes(file), file);

/** The checkpoint files of a run folder. */
export const runFiles = (folder: string) => ({
  last: path.join(folder, 'last.safetensors'),
  previous: path.join(folder, 'last.prev.safetensors'),
  damaged: path.join(folder, 'last.damaged.safetensors'),
  best: path.join(folder, 'best.safetensors'),
  metrics: path.join(folder, 'metrics.jsonl'),
  config: path.join(folder, 'config.json'),
});

/**
 * The newest readable training checkpoint of a run folder; a damaged `last` is set aside and the one before is
 * taken. `notice` says so.
 * @returns undefined where the folder has no checkpoint.
 * @throws UserError where both are damaged.
 */
export async function readLast(
  folder: string,
): Promise<{ state: TrainingState; file: string; notice?: string } | undefined> {
  const { last, previous, damaged } = runFiles(folder);
  const hasPrevious = isFile(previous);
  if (!isFile(last)) {
    if (!hasPrevious) return undefined;
    const notice = `${last}: is missing; going on from the checkpoint before it`;
    return { state: await readTraining(previous), file: previous, notice };
  }
  try {
    return { state: await readTraining(last), file: last };
  } catch (error) {
    if (!(error instanceof UserError) || !hasPrevious) throw error;
    const state = await readTraining(previous);
    // Out of the way, or the next save would move it over the good one.
    await fs.rename(last, damaged);
    const notice = `${error.message.replace(/;[^;]*$/, '')}; going on from the checkpoint before it, kept the damaged one as ${path.basename(damaged)}`;
    return { state, file: previous, notice };
  }
}
