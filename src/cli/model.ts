import { Option } from 'commander';
import { isFile, isFolder, look } from '../data/files.js';
import { UserError } from '../errors.js';
import { loadModel, shippedModels, shippedName } from '../model/load.js';
import type { Model } from '../model/model.js';
import { runFiles } from '../train/checkpoint.js';

export const modelOption = (): Option =>
  new Option(
    '--model <model>',
    'model file (.safetensors), or a run folder: its best, else its last checkpoint; or camvid or camvid-tiny, which come with vnet',
  ).default(shippedName);

/**
 * The model file that a path stands for: a file itself; of a run folder `best`, or `last` where there is no best yet.
 * `camvid` and `camvid-tiny` are the shipped ones where no such path exists.
 * @throws UserError where there is none.
 */
export function modelFile(given: string): string {
  if (isFile(given)) return given;
  const shipped = shippedModels.get(given);
  if (shipped !== undefined && !isFolder(given)) return shipped;
  if (!isFolder(given)) {
    throw new UserError(`${given}: no such model; give a .safetensors file or a run folder of vnet train`);
  }
  const { best, last, previous } = runFiles(given);
  const found = [best, last, previous].find(isFile);
  if (!found)
    throw new UserError(`${given}: holds no best.safetensors or last.safetensors; is it a run folder?`);
  return found;
}

/**
 * Loads the model that a path stands for (see {@link modelFile}).
 * @param net what the network must be.
 * @throws UserError where it is another one.
 */
export async function openModel(given: string, net?: string): Promise<{ model: Model; file: string }> {
  await look(given);
  const file = modelFile(given);
  const model = await loadModel(file);
  const { name } = model.network;
  if (net !== undefined && net !== name) throw new UserError(`${file}: a model of ${name}, not of ${net}`);
  return { model, file };
}
