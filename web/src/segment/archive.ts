import { Segmenter } from '../library.ts';
import { sentence } from '../parts/sentence.ts';
import { text } from '../text.ts';
import type { Device } from './engine.ts';
import { frameOfFile, gpuGaveUp } from './engine.ts';
import type { Side } from './frames.ts';
import { nameOf } from './inputs.ts';
import { filesOf, zipOf } from './results.ts';

interface ArchiveOptions {
  /** Default: the one in the box. */
  readonly model: File | undefined;
  readonly device: Device;
  readonly side: Side;
  readonly opacity: number;
  /** Told before each picture. */
  readonly onProgress: (says: string) => void;
  /** Told that a GPU gave up, and that CPU cores go on. */
  readonly onGpuGone: (says: string) => void;
}

/**
 * Labels and overlays of pictures as a zip, by a segmenter of its own: the page may change meanwhile.
 * @returns undefined where none could be made; a sentence for each picture that could not.
 */
export async function archiveOf(
  pictures: readonly File[],
  { model, device, side, opacity, onProgress, onGpuGone }: ArchiveOptions,
): Promise<{ readonly zip: Blob | undefined; readonly failed: readonly string[] }> {
  const load = (on: Device) => Segmenter.load({ ...(model ? { model } : {}), device: on });
  const files: Record<string, Uint8Array> = {};
  const failed: string[] = [];
  let segmenter = await load(device);
  try {
    for (const [i, file] of pictures.entries()) {
      onProgress(text.segment.zipProgress(i, pictures.length));
      try {
        const see = () => frameOfFile(file, segmenter, undefined, { confidence: false, side });
        const frame = await see().catch(async (error: unknown) => {
          const says = gpuGaveUp(error, segmenter, file.name);
          if (says === undefined) throw error;
          onGpuGone(says);
          await segmenter.dispose();
          segmenter = await load('wasm');
          return see();
        });
        Object.assign(files, await filesOf(nameOf(file).replace(/\.[^./]*$/, ''), frame, opacity));
      } catch (error) {
        failed.push(sentence(error, { name: file.name, way: 'picture' }));
      }
    }
  } finally {
    await segmenter.dispose();
  }
  return { zip: Object.keys(files).length > 0 ? await zipOf(files) : undefined, failed };
}
