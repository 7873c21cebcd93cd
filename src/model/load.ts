import { fileURLToPath } from 'node:url';
import { isFile } from '../data/files.js';
import { readModel } from './file.js';
import type { Model, ModelOptions } from './model.js';
import { modelOf } from './model.js';

const packaged = (file: string) =>
  fileURLToPath(new URL(`../../../models/${file}.safetensors`, import.meta.url));

/**
 * The models that come with the package, by the names that stand for them where the path of a model is expected: VNet
 * trained on CamVid, and one with a quarter of its parameters. `models/README.md` is their card.
 */
export const shippedModels: ReadonlyMap<string, string> = new Map([
  ['camvid', packaged('vnet-camvid')],
  ['camvid-tiny', packaged('vnet-camvid-tiny')],
]);

/** What the first of them, the default, is called. */
export const shippedName = 'camvid';

/** The path of the default model. */
export const shippedModel = shippedModels.get(shippedName)!;

/**
 * Loads a model written by training (`best`, `last`, or an exported one); `camvid` and `camvid-tiny`, where no such file
 * exists, are those that come with the package.
 * @throws UserError, one line naming the file: missing, damaged, foreign, or weights that do not fit the network.
 */
export async function loadModel(file: string, options: ModelOptions = {}): Promise<Model> {
  const shipped = shippedModels.get(file);
  const path = shipped !== undefined && !isFile(file) ? shipped : file;
  return modelOf(await readModel(path), path, options);
}
