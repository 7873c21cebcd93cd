import { UserError } from '../errors.js';

/** A class of the browser by name; nothing where there is no DOM. */
type Dom<Name extends string> =
  typeof globalThis extends Record<Name, { prototype: infer Instance }> ? Instance : never;

/** What a browser can draw, as `Executor.show` takes it. */
export type FrameSource =
  | Dom<'HTMLVideoElement'>
  | Dom<'VideoFrame'>
  | Dom<'ImageBitmap'>
  | Dom<'HTMLImageElement'>
  | Dom<'HTMLCanvasElement'>
  | Dom<'OffscreenCanvas'>;

/** Where and how a frame is drawn with its classes. */
export interface FrameLook {
  readonly canvas: Dom<'HTMLCanvasElement'> | Dom<'OffscreenCanvas'>;
  /** RGBA words of the 256 classes; alpha 0: not shown. */
  readonly colours: Uint32Array<ArrayBuffer>;
  /** Of the colours, 0 to 1. */
  readonly opacity: number;
  /** Whether the frame is drawn under the colours; else they lie on transparent ground. */
  readonly under: boolean;
}

export const canvasOfAnotherKind = (): UserError =>
  new UserError('draw: the canvas has a context of another kind; give a canvas that nothing else draws on');

export const pictureOfAnotherOrigin = (): UserError =>
  new UserError(
    'the picture is of another origin, which does not let its pixels be read; load it with crossorigin="anonymous" from a server that allows CORS',
  );
