import path from 'node:path';
import { UserError } from '../errors.js';
import { isFile, isFolder, listNames, readBytes, writeAtomic } from './files.js';
import { type LabelImage, type RgbImage, writeInstancePng, writeLabelPng, writeRgbPng } from './image.js';
import { drawScene } from './scene/scene.js';

/** A procedural street scene with its ground truth. */
export interface Scene {
  image: RgbImage;
  /** Cityscapes labelIds (not train ids). */
  labels: LabelImage;
  /** labelId · 1000 + number for things, the labelId otherwise: what Cityscapes' instanceIds files hold. */
  instances: { width: number; height: number; data: Uint16Array };
}

/**
 * Renders scene `index` of the endless set `seed`: the same bytes every time, the same scene at every size.
 * Any six scenes in a row contain all 19 Cityscapes classes between them at sizes from about 128×256.
 */
export function renderScene(seed: number, index: number, height: number, width: number): Scene {
  const canvas = drawScene(seed, index, height, width);
  const { rgb, labels, instances } = canvas;
  return {
    image: { width, height, data: new Uint8Array(rgb.buffer) },
    labels: { width, height, data: labels },
    instances: { width, height, data: instances },
  };
}

/** What {@link writeSynthetic} writes. */
export interface SyntheticOptions {
  /** The folder; made where missing. */
  out: string;
  /** Scenes in all, training and validation together. */
  count: number;
  height: number;
  width: number;
  seed: number;
  /** Share of the scenes that goes to `val`: the last ones, rounded, at least one if not 0. Default 0.2. */
  valFraction?: number;
  onProgress?: (done: number, total: number) => void;
}

const marker = 'synthetic.json';

/**
 * Writes synthetic scenes in the Cityscapes folder layout (`leftImg8bit`, `gtFine` with labelIds and
 * instanceIds). Every file is written atomically and finished scenes are kept, so an interrupted run goes on
 * where it stopped; `synthetic.json` records what the set is and is written first.
 * @returns how many scenes were drawn now (the others were there).
 * @throws UserError where a number is out of range, or the folder holds another data set.
 */
export async function writeSynthetic(options: SyntheticOptions): Promise<number> {
  const { out, count, height, width, seed, valFraction = 0.2 } = options;
  const whole = (name: string, value: number, low: number, high: number) => {
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new UserError(`${name} is ${value}; expected a whole number from ${low} to ${high}`, 2);
    }
  };
  whole('count', count, 1, 1_000_000);
  whole('height', height, 32, 8192);
  whole('width', width, 32, 8192);
  whole('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  if (!(valFraction >= 0 && valFraction < 1)) {
    throw new UserError(`valFraction is ${valFraction}; expected a number from 0 to below 1`, 2);
  }
  await claim(out, { generator: 'vnet synthetic 1', count, height, width, seed, valFraction });
  const val = valFraction === 0 ? 0 : Math.min(count - 1, Math.max(1, Math.round(count * valFraction)));
  let drawn = 0;
  for (let index = 0; index < count; index++) {
    const files = sceneFiles(out, index < count - val ? 'train' : 'val', index);
    if (!Object.values(files).every(isFile)) {
      const { image, labels, instances } = renderScene(seed, index, height, width);
      await Promise.all([
        writeRgbPng(files.image, image, 4),
        writeLabelPng(files.labels, labels),
        writeInstancePng(files.instances, instances),
      ]);
      drawn++;
    }
    options.onProgress?.(index + 1, count);
  }
  return drawn;
}

function sceneFiles(out: string, split: string, index: number) {
  const name = `synth_000000_${String(index).padStart(6, '0')}`;
  return {
    image: path.join(out, 'leftImg8bit', split, 'synth', `${name}_leftImg8bit.png`),
    labels: path.join(out, 'gtFine', split, 'synth', `${name}_gtFine_labelIds.png`),
    instances: path.join(out, 'gtFine', split, 'synth', `${name}_gtFine_instanceIds.png`),
  };
}

/** Makes the folder ours, or checks that it already is exactly this set. */
async function claim(out: string, recipe: Record<string, unknown>): Promise<void> {
  const file = path.join(out, marker);
  const text = `${JSON.stringify(recipe, null, 2)}\n`;
  if (isFile(file)) {
    if ((await readBytes(file)).toString('utf8') !== text) {
      throw new UserError(
        `${file}: the folder holds a synthetic set made with other settings; give a new folder or delete this one`,
      );
    }
    return;
  }
  const found = isFolder(out) ? [...listNames(out, 'files'), ...listNames(out, 'folders')] : [];
  if (found.length > 0) {
    throw new UserError(
      `${out}: is not empty (has ${found[0]}); give a new or empty folder for the synthetic set`,
    );
  }
  await writeAtomic(file, Buffer.from(text));
}
