import { useEffect, useState } from 'preact/hooks';
import { listGpus, Segmenter } from '../library.ts';
import { text } from '../text.ts';

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
