import { DeviceError, MemoryError, Segmenter } from '../library.ts';
import { text } from '../text.ts';
import type { OwnClass, OwnPicture } from './project.ts';
import { unpainted } from './project.ts';

/** A smaller share of a picture is taken for a slip of the model, and makes no class. */
const leastShare = 0.005;

/**
 * Puts what a model says where nothing is painted yet, in place. Without any classes, those that it sees become the
 * classes; else only classes of the same name are taken.
 * @param model default: the one in the box.
 * @returns the classes after it.
 * @throws Error, one sentence, where the model knows none of the classes.
 */
export async function startFrom(
  picture: OwnPicture,
  classes: readonly OwnClass[],
  model: File | undefined,
): Promise<readonly OwnClass[]> {
  const { width, height, rgb, mask } = picture;
  const see = async (device: 'auto' | 'wasm') => {
    const segmenter = await Segmenter.load({ ...(model ? { model } : {}), device });
    try {
      return await segmenter.segment({ width, height, data: rgb });
    } finally {
      await segmenter.dispose();
    }
  };
  const {
    labels,
    areas,
    classes: known,
  } = await see('auto').catch((error: unknown) => {
    // A GPU that is lost, or has not the memory.
    if (error instanceof DeviceError || error instanceof MemoryError) return see('wasm');
    throw error;
  });
  const seen = areas.filter(({ share }) => share >= leastShare);
  const all: readonly OwnClass[] =
    classes.length > 0 ? classes : seen.map(({ name, colour }) => ({ name, colour }));
  const ids = new Map(areas.map(({ id, name }) => [id, all.findIndex((entry) => entry.name === name)]));
  if (![...ids.values()].some((id) => id >= 0)) {
    throw new Error(text.problems.otherClasses(known.map(({ name }) => name).join(', ')));
  }
  for (let i = 0; i < mask.length; i++) {
    const id = ids.get(labels[i])!;
    if (mask[i] === unpainted && id >= 0) mask[i] = id;
  }
  return all;
}
