/// <reference lib="esnext.disposable" preserve="true" />
import { decodeModel, frameSize, readModelBytes, readPicture, useAssets } from '#sources';
import type { Backend } from '../backends/backend.js';
import type { FrameLook, FrameSource } from '../backends/frame.js';
import { canvasOfAnotherKind } from '../backends/frame.js';
import type { Precision } from '../compile.js';
import type { RgbImage } from '../data/image.js';
import type { DeviceName } from '../device.js';
import { deviceAt } from '../device.js';
import { UserError } from '../errors.js';
import type { FittingOptions } from '../eval/fitting.js';
import { fitted } from '../eval/fitting.js';
import { largestPart, predictLabels } from '../eval/predict.js';
import { Predictor } from '../eval/predictor.js';
import type { ModelInfo } from '../model/format.js';
import type { ModelOptions } from '../model/model.js';
import type { Model } from '../model/rebuild.js';
import { rebuild } from '../model/rebuild.js';
import { vnet } from '../nets/vnet.js';
import type { RawPixels } from './pixels.js';
import { isRawPixels, rgbOf } from './pixels.js';
import type { OverlayOptions, SegmentClass } from './segmentation.js';
import { coloursOf, Segmentation } from './segmentation.js';

/** A model: a path (in Node) or an address, the bytes of a model file, or one that is loaded already. */
export type ModelSource = string | URL | Uint8Array | ArrayBuffer | Blob | Model;

/**
 * A picture.
 * - Everywhere: pixels in memory, `ImageData` among them; a `Blob` or the bytes of a picture file; an address.
 * - In Node also the path of a picture file.
 * - In a browser also what can be drawn: `<img>`, `<video>`, canvas, `OffscreenCanvas`, `ImageBitmap`, `VideoFrame`.
 */
export type PictureSource =
  | RawPixels
  | Blob
  | Uint8Array
  | ArrayBuffer
  | string
  | URL
  | { readonly width: number; readonly height: number }
  | { readonly displayWidth: number; readonly displayHeight: number };

export interface SegmenterOptions extends ModelOptions {
  /** Default: the model that comes with the package. */
  readonly model?: ModelSource;
  /** Default `auto`: a real GPU where there is one, else CPU cores. */
  readonly device?: Backend | DeviceName;
  /** A GPU by part of its name; takes that one even where it is software. */
  readonly gpu?: string;
  /** Worker threads on CPU cores; results do not depend on it. Default: all cores. */
  readonly threads?: number;
  /** `f16` takes less memory on GPUs; `i16` (CPU cores) and `i8` (GPUs) multiply small integers. Default `f32`. */
  readonly precision?: Precision;
  /** How many sizes of pictures stay prepared. Default 2. */
  readonly sizes?: number;
  /**
   * In a browser, the folder that the package's `build/assets` was copied to, where no bundler follows its addresses.
   */
  readonly assets?: string | URL;
  /** In a browser, the bytes of `relaxed.wasm` or `plain.wasm`, instead of fetching them. */
  readonly wasm?: Uint8Array | ArrayBuffer;
}

/** How one picture is segmented. */
export interface SegmentOptions extends FittingOptions {
  /** Also give each pixel's probability of its class. Default false: it costs time. */
  readonly confidence?: boolean;
  /** Stop waiting: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How {@link Segmenter.draw} draws. */
export interface DrawOptions extends OverlayOptions, Pick<FittingOptions, 'resize'> {}

/** A frame of a stream with what its source says of it. */
export interface SegmentedFrame<Frame> {
  readonly frame: Frame;
  readonly segmentation: Segmentation;
}

export interface StreamOptions extends SegmentOptions {
  /** Frames that may be under way at once; decoding goes on while the network runs. Default 2. */
  readonly ahead?: number;
}

/**
 * Segments pictures: the same in Node and in a browser.
 *
 *     const segmenter = await Segmenter.load();
 *     const { areas, labels } = await segmenter.segment('street.jpg');
 *
 * Calls may overlap. Pictures of any size from 32×32 are taken, and shown to the model at the size that suits it
 * (`resize: 'own'`: at their own, which is faster for small ones); the first of a size takes longer.
 */
export class Segmenter {
  /** What the model tells apart. */
  readonly classes: readonly SegmentClass[];

  private constructor(
    /** What is known about the model. */
    readonly model: ModelInfo,
    /** Where it runs: `wasm` on so many threads, or `webgpu` on which GPU. */
    readonly device: { readonly name: string; readonly threads?: number; readonly gpu?: string },
    private readonly predictor: Predictor,
  ) {
    const { names, colours } = model.classes;
    this.classes = names.map((name, id) => ({ id, name, colour: colours[id] ?? [0, 0, 0] }));
  }

  /**
   * @param what a model, or options.
   * @throws UserError, one line: a model that is missing, damaged or foreign, or a device that cannot be had.
   */
  static async load(what: ModelSource | SegmenterOptions = {}): Promise<Segmenter> {
    const options = isModelSource(what) ? { model: what } : what;
    const { device = 'auto', gpu, threads, precision, sizes, assets, wasm } = options;
    if (assets !== undefined) useAssets({ base: assets });
    if (wasm !== undefined) useAssets({ wasm });
    const [model, backend] = await Promise.all([loaded(options), deviceAt({ device, gpu }, 'inference')]);
    const predictor = new Predictor(model.network, model.weights, { backend, threads, precision, sizes });
    const place = { name: backend.name, threads: await backend.threads?.(threads), gpu: backend.device };
    return new Segmenter(model.info, place, predictor);
  }

  /**
   * The class of each pixel of a picture, at the picture's size.
   * @throws UserError, one line: a picture that cannot be read, is below 32×32, or needs more memory than there is.
   */
  async segment(source: PictureSource, options: SegmentOptions = {}): Promise<Segmentation> {
    const { confidence, signal, ...view } = options;
    signal?.throwIfAborted();
    const image = await pixelsOf(source);
    signal?.throwIfAborted();
    const certain = confidence ? new Uint8Array(image.width * image.height) : undefined;
    const labels = await abortable(
      predictLabels(this.predictor, image, fitted(view, this.model, image), certain),
      signal,
    );
    return new Segmentation(image, labels.data, this.classes, certain);
  }

  /**
   * Checks that a picture of a size can be segmented: nothing is decoded or allocated for it.
   * @throws UserError as {@link segment}: below 32×32, or (a `MemoryError`) more memory than there is.
   */
  check(
    size: { readonly height: number; readonly width: number },
    { confidence, signal: _, ...view }: SegmentOptions = {},
  ): void {
    const { output, ...part } = largestPart(fitted(view, this.model, size), size);
    this.predictor.check(part, confidence ? 'logits' : output);
  }

  /**
   * Segments what a browser can draw and draws it on a canvas with the class colours over it. On WebGPU nothing leaves the
   * GPU: the frame of a video is read where it is decoded, and its labels are coloured where they are computed.
   * @param canvas gets the frame's size. It is drawn on by WebGPU or in two dimensions, as the device says, and must have no
   *   context of another kind.
   * @throws UserError as {@link segment}, for such a canvas, and in Node.
   */
  async draw(source: FrameSource, canvas: FrameLook['canvas'], options: DrawOptions = {}): Promise<void> {
    const { resize, ...look } = options;
    const [width, height] = frameSize(source);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    if (this.device.name === 'webgpu') {
      const { opacity: asked = 0.5, only, picture = true } = look;
      const opacity = Math.min(1, Math.max(0, asked));
      const { resize: shown = [height, width] } = fitted({ resize }, this.model, { height, width });
      const size = { height: shown[0], width: shown[1] };
      const colours = coloursOf(this.classes, only);
      if (await this.predictor.show(source, size, { canvas, colours, opacity, under: picture })) return;
    }
    const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D | null;
    if (!context) throw canvasOfAnotherKind();
    const segmentation = await this.segment(source, { resize });
    context.putImageData(segmentation.overlay(look) as ImageData, 0, 0);
  }

  /**
   * Segments one frame after the other, in their order. Frames are asked for as they are needed; one that is closed
   * by the caller (a `VideoFrame`) may be closed when it comes back.
   */
  async *stream<Frame extends PictureSource>(
    frames: Iterable<Frame> | AsyncIterable<Frame>,
    { ahead = 2, ...options }: StreamOptions = {},
  ): AsyncGenerator<SegmentedFrame<Frame>, void, undefined> {
    const waiting: Promise<SegmentedFrame<Frame>>[] = [];
    try {
      for await (const frame of frames) {
        const next = this.segment(frame, options).then((segmentation) => ({ frame, segmentation }));
        // Its error is thrown when its turn comes.
        next.catch(() => undefined);
        waiting.push(next);
        if (waiting.length >= Math.max(1, ahead)) yield await waiting.shift()!;
      }
      while (waiting.length > 0) yield await waiting.shift()!;
    } finally {
      await Promise.allSettled(waiting);
    }
  }

  /** Bytes that it holds now for pictures of the sizes seen last. */
  get allocatedBytes(): number {
    return this.predictor.allocatedBytes;
  }

  /** Frees memory and threads, after what is under way. */
  dispose(): Promise<void> {
    return this.predictor.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const isBytes = (value: unknown): value is Uint8Array | ArrayBuffer | Blob =>
  value instanceof Uint8Array || value instanceof ArrayBuffer || value instanceof Blob;

const isModel = (value: object): value is Model =>
  'info' in value && 'weights' in value && 'network' in value;

function isModelSource(what: ModelSource | SegmenterOptions): what is ModelSource {
  return typeof what === 'string' || what instanceof URL || isBytes(what) || isModel(what);
}

async function loaded({ model, networks }: SegmenterOptions): Promise<Model> {
  if (typeof model === 'object' && isModel(model)) return model;
  const named = model === undefined || isBytes(model) ? 'the model' : String(model);
  const bytes = isBytes(model) ? await bytesOf(model) : await readModelBytes(model);
  const file = await decodeModel(bytes, named);
  const known = [...(networks ?? []), vnet];
  // Most models are VNets, and most of a small page's networks would be the others.
  const isKnown = known.some(({ name }) => name === file.info.network.name);
  return rebuild(file, named, isKnown ? known : [...known, ...(await import('../nets/index.js')).networks]);
}

async function bytesOf(source: Uint8Array | ArrayBuffer | Blob): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  return new Uint8Array(source instanceof Blob ? await source.arrayBuffer() : source);
}

async function pixelsOf(source: PictureSource): Promise<RgbImage> {
  if (typeof source === 'object' && source !== null && isRawPixels(source)) return rgbOf(source);
  const image = await readPicture(source);
  if (image) return image;
  throw new UserError(
    'segment: expected a picture (a path or address, a Blob or bytes of a picture file, pixels, or in a browser what can be drawn)',
  );
}

/** Rejects when the signal is aborted; what is under way ends by itself. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
