import { readBytes } from '../data/files.js';
import { writeDurable } from './durable.js';
import type { ModelFile, ModelInfo, Tensors } from './format.js';
import { decodeModel, encodeModel } from './format.js';
import type { FloatStorage } from './safetensors.js';

/**
 * Writes a model: weights and running statistics under their slot names, metadata as JSON strings.
 * @param storage F16 halves the file; values are rounded to 11 bits.
 */
export const writeModel = (
  file: string,
  info: ModelInfo,
  weights: Tensors,
  storage: FloatStorage = 'F32',
): Promise<void> => writeDurable(file, encodeModel(info, weights, storage));

/**
 * Reads a model, or the model inside a training checkpoint (the averaged weights where it has them).
 * @throws UserError, one line naming the file: missing, truncated, damaged, or no file of this program.
 */
export const readModel = async (file: string): Promise<ModelFile> => decodeModel(await readBytes(file), file);
