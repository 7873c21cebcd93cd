import { encode } from 'fast-png';
import { zip } from 'fflate';
import type { Segmentation } from '../library.ts';
import { pngOf } from '../parts/save.ts';
import type { Frame } from './viewer.tsx';
import { coloursOf } from './viewer.tsx';

/** One class number a pixel, as a grey PNG: what `vnet predict` writes as `NAME_labels.png`. */
export const labelPng = ({ width, height, labels }: Segmentation): Uint8Array<ArrayBuffer> =>
  new Uint8Array(encode({ width, height, data: labels, channels: 1, depth: 8 }));

/** The picture under its overlay, as it is on the page. */
export function composed(
  { picture, segmentation, second }: Frame,
  opacity: number,
  hidden: ReadonlySet<number>,
  divider: number,
): HTMLCanvasElement {
  const { width, height } = picture;
  const sheet = (image: ImageData) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    canvas.getContext('2d')!.putImageData(image, 0, 0);
    return canvas;
  };
  const canvas = sheet(picture);
  const context = canvas.getContext('2d')!;
  context.globalAlpha = opacity;
  const edge = second ? Math.round(divider * width) : width;
  if (edge > 0)
    context.drawImage(sheet(coloursOf(segmentation, hidden)), 0, 0, edge, height, 0, 0, edge, height);
  const rest = width - edge;
  if (second && rest > 0) {
    context.drawImage(sheet(coloursOf(second, hidden)), edge, 0, rest, height, edge, 0, rest, height);
  }
  return canvas;
}

/** What the zip holds of one picture: labels, and the picture under its overlay. */
export async function filesOf(
  name: string,
  frame: Frame,
  opacity: number,
): Promise<Record<string, Uint8Array>> {
  const overlay = await pngOf(composed({ ...frame, second: undefined }, opacity, new Set(), 1));
  return {
    [`${name}_labels.png`]: labelPng(frame.segmentation),
    [`${name}_overlay.png`]: new Uint8Array(await overlay.arrayBuffer()),
  };
}

/** A zip of files that are compressed already. */
export const zipOf = (files: Record<string, Uint8Array>): Promise<Blob> =>
  new Promise((resolve, reject) => {
    zip(files, { level: 0 }, (error, bytes) => {
      if (error) reject(error);
      else resolve(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/zip' }));
    });
  });
