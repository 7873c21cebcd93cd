import { availableParallelism } from 'node:os';
import path from 'node:path';
import { UserError } from '../errors.js';
import { isFile, isFolder, listNames, readBytes, writeAtomic } from './files.js';
import { Pool } from './pool.js';
import type { SceneLight } from './scene/weather.js';
import { sceneFiles } from './scene-files.js';

export { renderScene, type Scene } from './scene-files.js';

/** What {@link writeSynthetic} writes. */
export interface SyntheticOptions {
  /** The folder; made where missing. */
  out: string;
  /** Scenes in all, training and validation together. */
  count: number;
  height: number;
  width: number;
  seed: number;
  /** Default `day`. */
  light?: SceneLight;
  /** Share of the scenes that goes to `val`: the last ones, rounded, at least one if not 0. Default 0.2. */
  valFraction?: number;
  /** Threads; default one a core, at most 8. The files do not depend on it. */
  workers?: number;
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
  const { out, count, height, width, seed, light = 'day', valFraction = 0.2 } = options;
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
  // Sets by day say nothing of light, as before there was another.
  const when = light === 'day' ? {} : { light };
  await claim(out, { generator: 'vnet synthetic 1', count, height, width, seed, valFraction, ...when });
  const val = valFraction === 0 ? 0 : Math.min(count - 1, Math.max(1, Math.round(count * valFraction)));
  const splitOf = (index: number) => (index < count - val ? 'train' : 'val');
  const todo = [...Array(count).keys()].filter((index) => {
    const files = sceneFiles(out, splitOf(index), index);
    return !Object.values(files).every(isFile);
  });
  let done = count - todo.length;
  options.onProgress?.(done, count);
  const pool = new Pool(options.workers ?? Math.min(8, availableParallelism(), todo.length));
  try {
    await Promise.all(
      todo.map(async (index) => {
        await pool.run({ kind: 'scene', out, split: splitOf(index), seed, index, height, width, light });
        options.onProgress?.(++done, count);
      }),
    );
  } finally {
    await pool.close();
  }
  return todo.length;
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
