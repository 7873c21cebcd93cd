import { pictureOfAnotherOrigin } from '../backends/frame.js';
import { assetUrl, fetchBytes } from '../backends/wasm/runtime/browser.js';
import type { RgbImage } from '../data/image.js';
import { UserError } from '../errors.js';
import type { ModelFile } from '../model/format.js';
import { modelIn } from '../model/format.js';
import { hashedBy, otherHash, readSafetensors } from '../model/safetensors.js';
import { rgbOf } from './pixels.js';

export { useAssets } from '../backends/wasm/runtime/browser.js';

/** What canvases draw; those that a context (a worker) lacks are simply not there. */
type Drawable = Exclude<CanvasImageSource, SVGImageElement>;

/**
 * The pixels of a picture in a browser: what can be drawn, an address, or the bytes of a picture file.
 * @returns undefined for what is no picture here.
 * @throws UserError, one line: it cannot be fetched, is damaged, is not loaded yet, or is of another origin.
 */
export async function readPicture(source: unknown): Promise<RgbImage | undefined> {
  if (typeof source === 'string' || source instanceof URL) {
    return decode(new Blob([await fetchBytes(source, 'a picture')]), String(source));
  }
  if (source instanceof Blob) return decode(source, 'the picture');
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    return decode(new Blob([source as BlobPart]), 'the picture');
  }
  if (!isDrawable(source)) return undefined;
  if (is(source, 'HTMLImageElement')) {
    await source.decode().catch(() => {
      throw new UserError(`${source.currentSrc || 'the picture'}: cannot be decoded as an image`);
    });
  }
  const [width, height] = sizeOf(source);
  if (!(width > 0 && height > 0)) {
    throw new UserError(
      is(source, 'HTMLVideoElement')
        ? 'the video shows no frame yet; wait for its event "loadeddata"'
        : 'the picture has no pixels; is it loaded?',
    );
  }
  return draw(source, width, height);
}

async function decode(blob: Blob, name: string): Promise<RgbImage> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: 'none' });
  } catch {
    throw new UserError(
      `${name}: cannot be decoded as an image; the file is damaged or of a kind this browser lacks`,
    );
  }
  try {
    return draw(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** Kept from one picture to the next, so that a video makes no new one each frame. */
let context: OffscreenCanvasRenderingContext2D | undefined;

function draw(source: Drawable, width: number, height: number): RgbImage {
  context ??= new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true }) ?? undefined;
  if (!context) throw new UserError('this browser gives no canvas to read pixels with');
  const { canvas } = context;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(source, 0, 0, width, height);
  try {
    return rgbOf(context.getImageData(0, 0, width, height));
  } catch (error) {
    // A canvas that has drawn from another origin gives nothing any more.
    context = undefined;
    if ((error as Error).name !== 'SecurityError') throw error;
    throw pictureOfAnotherOrigin();
  }
}

/** The classes of drawable things by name: a worker has fewer of them than a page. */
interface Drawables {
  HTMLImageElement: HTMLImageElement;
  HTMLVideoElement: HTMLVideoElement;
  HTMLCanvasElement: HTMLCanvasElement;
  OffscreenCanvas: OffscreenCanvas;
  ImageBitmap: ImageBitmap;
  VideoFrame: VideoFrame;
}

const drawables: readonly (keyof Drawables)[] = [
  'HTMLImageElement',
  'HTMLVideoElement',
  'HTMLCanvasElement',
  'OffscreenCanvas',
  'ImageBitmap',
  'VideoFrame',
];

function is<K extends keyof Drawables>(source: unknown, name: K): source is Drawables[K] {
  const kind = (globalThis as Record<string, unknown>)[name];
  return typeof kind === 'function' && source instanceof kind;
}

const isDrawable = (source: unknown): source is Drawables[keyof Drawables] =>
  drawables.some((name) => is(source, name));

/** Width and height of what can be drawn. @throws UserError for anything else, and where it shows no frame yet. */
export function frameSize(source: unknown): [width: number, height: number] {
  if (!isDrawable(source)) throw new UserError('draw: expected an image, a video, a canvas or a frame');
  const [width, height] = sizeOf(source);
  if (!(width > 0 && height > 0)) throw new UserError('draw: there is no picture yet; is it loaded?');
  return [width, height];
}

function sizeOf(source: Drawables[keyof Drawables]): [width: number, height: number] {
  if (is(source, 'HTMLImageElement')) return [source.naturalWidth, source.naturalHeight];
  if (is(source, 'HTMLVideoElement')) return [source.videoWidth, source.videoHeight];
  if (is(source, 'VideoFrame')) return [source.displayWidth, source.displayHeight];
  return [source.width, source.height];
}

/**
 * The model in a file's bytes, its content hash checked by the browser itself, which does so on secure pages (https, and
 * this machine); on others, sizes and names alone are checked.
 * @throws UserError, one line naming the file: truncated, damaged, or no file of this program.
 */
export async function decodeModel(bytes: Uint8Array, file: string): Promise<ModelFile> {
  const hashed = hashedBy(bytes, file);
  if (hashed && globalThis.crypto?.subtle && (await sha256(hashed.parts)) !== hashed.digits) {
    throw otherHash(file);
  }
  return modelIn(readSafetensors(bytes, file, hashed !== undefined), file);
}

async function sha256(parts: readonly Uint8Array[]): Promise<string> {
  const whole = await new Blob([...parts] as BlobPart[]).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The bytes of a model file; by default of the one that comes with the package. */
export function readModelBytes(source?: string | URL): Promise<Uint8Array> {
  const shipped = () =>
    assetUrl('vnet-camvid.safetensors') ??
    new URL('../../../models/vnet-camvid.safetensors', import.meta.url);
  return fetchBytes(source ?? shipped(), 'a model');
}
