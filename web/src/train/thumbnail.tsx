import { useEffect, useRef } from 'preact/hooks';
import type { OwnClass } from './project.ts';

interface ThumbnailProps {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
  /** A class a pixel, over the picture; what is no class is not shown. */
  readonly labels: Uint8Array;
  readonly classes: readonly OwnClass[];
  /** Changes when the labels change in place. */
  readonly version: number;
  readonly label: string;
  /** Longest side in pixels. */
  readonly side: number;
}

/** A picture with its classes over it, small. */
export function Thumbnail({ width, height, rgb, labels, classes, version, label, side }: ThumbnailProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scale = Math.min(1, side / Math.max(width, height));
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  useEffect(() => {
    const image = new ImageData(w, h);
    for (let y = 0, p = 0; y < h; y++) {
      for (let x = 0; x < w; x++, p += 4) {
        const at = Math.floor((y + 0.5) / scale) * width + Math.floor((x + 0.5) / scale);
        const colour = classes[labels[at]]?.colour;
        for (let c = 0; c < 3; c++) {
          const value = rgb[3 * at + c];
          image.data[p + c] = colour ? 0.45 * value + 0.55 * colour[c] : value;
        }
        image.data[p + 3] = 255;
      }
    }
    canvas.current!.getContext('2d')!.putImageData(image, 0, 0);
  }, [rgb, labels, classes, version, w, h]);
  return <canvas ref={canvas} width={w} height={h} role="img" aria-label={label} />;
}
