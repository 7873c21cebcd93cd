import sharp from 'sharp';
import type { Rgb } from '../data/classes.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { colourise } from '../data/image.js';

/** Widest picture inside a page, in pixels. */
const mostWidth = 640;

/** A photo as a JPEG `data:` URI, made smaller where it is wide. */
export async function photoUri({ width, height, data }: RgbImage): Promise<string> {
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ width: mostWidth, withoutEnlargement: true })
    .jpeg({ quality: 82, mozjpeg: true })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}

/** Train ids in class colours as a palette PNG `data:` URI; made smaller without mixing classes. */
export async function labelsUri(labels: LabelImage, colours: readonly Rgb[]): Promise<string> {
  const { width, height, data } = colourise(labels, colours);
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ width: mostWidth, withoutEnlargement: true, kernel: 'nearest' })
    .png({ palette: true, compressionLevel: 9, dither: 0 })
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}
