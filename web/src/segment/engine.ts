import { useEffect, useState } from 'preact/hooks';
import { Segmenter } from '../library.ts';

export type Device = 'auto' | 'webgpu' | 'wasm';

/**
 * A segmenter for a model (by default the one in the box) on a device; undefined while it loads. The one before is freed.
 * @param wanted whether there should be one.
 */
export function useSegmenter(
  model: File | undefined,
  device: Device,
  wanted: boolean,
  onProblem: (error: unknown) => void,
): Segmenter | undefined {
  const [segmenter, setSegmenter] = useState<Segmenter | undefined>(undefined);
  useEffect(() => {
    if (!wanted) return undefined;
    let current = true;
    const loading = Segmenter.load({ ...(model ? { model } : {}), device });
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
  }, [model, device, wanted]);
  return segmenter;
}
