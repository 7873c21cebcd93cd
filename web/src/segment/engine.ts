import { useEffect, useState } from 'preact/hooks';
import type { Segmentation, SegmentOptions } from '../library.ts';
import { DeviceError, listGpus, MemoryError, Segmenter } from '../library.ts';
import { withoutGpu } from '../parts/sentence.ts';
import { text } from '../text.ts';
import type { Side } from './frames.ts';
import { pictureOf } from './frames.ts';
import { nameOf } from './inputs.ts';
import type { Frame } from './viewer.tsx';

export type Device = 'auto' | 'webgpu' | 'wasm';

/**
 * A segmenter for a model (by default the one in the box) on a device; undefined while it loads. The one before is freed.
 * @param wanted whether there should be one.
 * @param onProblem is told why there is none.
 * @param live for a video: on CPU cores with 16-bit products, which are faster and change one pixel in a thousand.
 */
export function useSegmenter(
  model: File | undefined,
  device: Device,
  wanted: boolean,
  onProblem: (error: unknown) => void,
  live = false,
): Segmenter | undefined {
  const [segmenter, setSegmenter] = useState<Segmenter | undefined>(undefined);
  useEffect(() => {
    if (!wanted) return undefined;
    let current = true;
    const options = { ...(model ? { model } : {}), device };
    const load = async () => {
      if (device === 'webgpu' && (await listGpus()).every(({ isSoftware }) => isSoftware)) {
        throw new Error(text.problems.noGpu);
      }
      const loaded = await Segmenter.load(options);
      if (!live || loaded.device.name !== 'wasm') return loaded;
      await loaded.dispose();
      return Segmenter.load({ ...options, device: 'wasm', precision: 'i16' });
    };
    const loading = load();
    loading.then(
      (loaded) => current && setSegmenter(loaded),
      (error: unknown) => current && onProblem(error),
    );
    return () => {
      current = false;
      setSegmenter(undefined);
      loading.then(
        (loaded) => loaded.dispose(),
        () => undefined,
      );
    };
  }, [model, device, wanted, live]);
  return segmenter;
}

interface Look {
  readonly confidence: boolean;
  readonly side: Side;
}

const optionsOf = ({ confidence, side }: Look): SegmentOptions => ({
  confidence,
  ...(side === 'auto' ? {} : { resize: 'own' }),
});

/** A picture file as {@link frameOf}. What needs more memory than there is, is refused before it is decoded. */
export async function frameOfFile(
  file: File,
  first: Segmenter,
  second: Segmenter | undefined,
  look: Look,
): Promise<Frame> {
  const pixels = await pictureOf(file, look.side, (size) => {
    for (const segmenter of [first, second]) segmenter?.check(size, optionsOf(look));
  });
  return frameOf(nameOf(file), pixels, first, second, look);
}

/** Pixels through one model, or two that are compared. */
export async function frameOf(
  name: string,
  picture: ImageData,
  first: Segmenter,
  second: Segmenter | undefined,
  look: Look,
): Promise<Frame> {
  const view = optionsOf(look);
  const start = performance.now();
  const segmentation = await first.segment(picture, view);
  const ms = performance.now() - start;
  const other: Segmentation | undefined = await second?.segment(picture, view);
  return { name, picture, segmentation, ms, ...(other ? { second: other } : {}) };
}

/**
 * What a GPU says that CPU cores need not say: that it is lost, or has not the memory.
 * @param of what was segmented.
 * @returns one sentence; undefined for other errors, and where no GPU ran.
 */
export function gpuGaveUp(error: unknown, segmenter: Segmenter | undefined, of: string): string | undefined {
  if (error instanceof DeviceError) return text.problems.gpuLost;
  const onGpu = segmenter?.device.name === 'webgpu';
  return onGpu && error instanceof MemoryError ? withoutGpu(of, error) : undefined;
}
