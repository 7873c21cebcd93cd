import { fileURLToPath } from 'node:url';
import { isFile } from '../data/files.js';
import { readModel } from './file.js';
import type { Model, ModelOptions } from './model.js';
import { modelOf } from './model.js';

/** The model that comes with the package: VNet trained on CamVid, `models/README.md` is its card. */
export const shippedModel = fileURLToPath(
  new URL('../../../models/vnet-camvid.safetensors', import.meta.url),
);

/** What that model is called where the path of a model is expected. */
export const shippedName = 'camvid';

/**
 * Loads a model written by training (`best`, `last`, or an exported one); `camvid`, where no such file exists, is the
 * one that comes with the package.
 * @throws UserError, one line naming the file: missing, damaged, foreign, or weights that do not fit the network.
 */
export async function loadModel(file: string, options: ModelOptions = {}): Promise<Model> {
  const path = file === shippedName && !isFile(file) ? shippedModel : file;
  return modelOf(await readModel(path), path, options);
}
