import { UserError } from '../../errors.js';
import { checkPixels, type LabelImage } from '../image.js';
import { decodePng, isPng, readPngHeader } from '../png.js';

/** The pixels of a mask in a PNG: not 0 where it is set; with alpha, where that is. `file` is what messages name. */
export async function decodeMask(bytes: Buffer, file: string): Promise<LabelImage> {
  try {
    if (!isPng(bytes)) throw new Error('it is no PNG');
    const header = readPngHeader(bytes);
    checkPixels(header);
    const { width, height, channels, data } = await decodePng(header);
    const out = new Uint8Array(width * height);
    const last = channels === 2 || channels === 4 ? channels - 1 : 0;
    for (let i = 0; i < out.length; i++) out[i] = data[i * channels + last] === 0 ? 0 : 1;
    return { width, height, data: out };
  } catch (error) {
    throw new UserError(`${file}: a mask in it cannot be read (${(error as Error).message})`);
  }
}
