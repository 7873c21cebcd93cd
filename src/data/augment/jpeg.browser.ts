import type { RgbImage } from '../image.js';

/** Replaces an image by what a JPEG of this quality (1 to 100) keeps of it, in place. */
export async function throughJpeg({ width, height, data }: RgbImage, quality: number): Promise<void> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  const pixels = context.createImageData(width, height);
  for (let p = 0, o = 0; o < data.length; p += 4, o += 3) {
    pixels.data.set([data[o], data[o + 1], data[o + 2], 255], p);
  }
  context.putImageData(pixels, 0, 0);
  const bitmap = await createImageBitmap(
    await canvas.convertToBlob({ type: 'image/jpeg', quality: quality / 100 }),
  );
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const kept = context.getImageData(0, 0, width, height).data;
  for (let p = 0, o = 0; o < data.length; p += 4, o += 3) {
    data[o] = kept[p];
    data[o + 1] = kept[p + 1];
    data[o + 2] = kept[p + 2];
  }
}
