import { MemoryError } from '../library.ts';
import { whenShown } from '../parts/background.ts';
import { sentence } from '../parts/sentence.ts';
import { text } from '../text.ts';

/** The longest side a picture is shown to the network at; 0: as it is; `auto`: what suits the model. */
export type Side = 'auto' | 0 | 320 | 480 | 640 | 1024 | 2048;
export const sides: readonly Side[] = ['auto', 320, 480, 640, 1024, 2048, 0];

/** The longest side of what the page shows where the model decides what it sees. */
const shown = 1024;

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size of a picture whose longest side is at most `side`. */
export function fitted(width: number, height: number, side: Side): Size {
  const most = side === 'auto' ? shown : side;
  const scale = most === 0 ? 1 : Math.min(1, most / Math.max(width, height));
  // The network takes 32 pixels and more.
  const length = (pixels: number) => Math.max(32, Math.round(pixels * scale));
  return { width: length(width), height: length(height) };
}

const canvas = document.createElement('canvas');
const context = canvas.getContext('2d', { willReadFrequently: true });

/** The pixels of what can be drawn, at the size the network sees. @throws MemoryError where the browser has no room for them. */
export function pixelsOf(source: CanvasImageSource, size: Size): ImageData {
  if (canvas.width !== size.width) canvas.width = size.width;
  if (canvas.height !== size.height) canvas.height = size.height;
  try {
    context!.drawImage(source, 0, 0, size.width, size.height);
    return context!.getImageData(0, 0, size.width, size.height);
  } catch (error) {
    // The canvas, and its copy.
    throw new MemoryError(sentence(error), 8 * size.width * size.height);
  }
}

/** The size of a picture file by its header: browsers decode an image when it is drawn. */
async function sizeOf(file: File): Promise<Size> {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
    });
    return { width: image.naturalWidth, height: image.naturalHeight };
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/**
 * The pixels of a picture file.
 * @param check is told at which size the network will see them, and throws where it cannot: nothing is decoded then.
 * @throws Error, one sentence, where the browser cannot read it.
 */
export async function pictureOf(file: File, side: Side, check?: (size: Size) => void): Promise<ImageData> {
  const unreadable = () => {
    throw new Error(text.problems.picture(file.name));
  };
  if (check) {
    const { width, height } = await sizeOf(file).catch(unreadable);
    check(fitted(width, height, side));
  }
  const bitmap = await createImageBitmap(file).catch(unreadable);
  try {
    return pixelsOf(bitmap, fitted(bitmap.width, bitmap.height, side));
  } finally {
    bitmap.close();
  }
}

/** A camera or a video file as an element that plays. */
export interface Playing {
  readonly video: HTMLVideoElement;
  /** Of one that ends by itself: one sentence about it. */
  readonly broken: Promise<string>;
  stop(): void;
}

/**
 * A video that is part of the page, though nobody sees it: browsers give frames of others four times a second.
 */
function hiddenVideo(): HTMLVideoElement {
  const video = document.createElement('video');
  video.className = 'source';
  video.setAttribute('aria-hidden', 'true');
  document.body.append(video);
  return video;
}

async function play(video: HTMLVideoElement): Promise<void> {
  video.muted = true;
  video.playsInline = true;
  const failed = new Promise<never>((_, reject) => {
    video.addEventListener('error', () => reject(new Error('video')), { once: true });
  });
  await Promise.race([video.play(), failed]);
}

/** Opens the camera, at about the size that the network will see. @throws Error, one sentence. */
export async function openCamera(side: Side): Promise<Playing> {
  if (!navigator.mediaDevices) throw new Error(text.problems.noCamera);
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: side === 'auto' ? 640 : side || 1280 }, facingMode: 'environment' },
    });
  } catch (error) {
    const { cameraRefused, cameraMissing, cameraBusy } = text.problems;
    const { name } = error as Error;
    const missing = name === 'NotFoundError' || name === 'OverconstrainedError';
    throw new Error(name === 'NotAllowedError' ? cameraRefused : missing ? cameraMissing : cameraBusy);
  }
  const video = hiddenVideo();
  // A track that the page stops tells nothing.
  const broken = new Promise<string>((resolve) => {
    for (const track of stream.getTracks()) {
      track.addEventListener('ended', () => resolve(text.problems.cameraEnded));
    }
  });
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    video.remove();
  };
  video.srcObject = stream;
  try {
    await play(video);
  } catch {
    stop();
    throw new Error(text.problems.cameraBusy);
  }
  return { video, broken, stop };
}

/** Plays a video file, again and again. @throws Error, one sentence, where the browser cannot. */
export async function openVideo(file: File): Promise<Playing> {
  const video = hiddenVideo();
  const url = URL.createObjectURL(file);
  const stop = () => {
    video.pause();
    video.removeAttribute('src');
    video.load();
    video.remove();
    URL.revokeObjectURL(url);
  };
  video.src = url;
  video.loop = true;
  try {
    await play(video);
  } catch {
    stop();
    throw new Error(text.problems.video(file.name));
  }
  // A file may be damaged further on.
  const broken = new Promise<string>((resolve) => {
    video.addEventListener(
      'error',
      () => video.hasAttribute('src') && resolve(text.problems.video(file.name)),
    );
  });
  return { video, broken, stop };
}

/** Resolves when a video shows its next frame. While the tab is in the background it waits, at no cost. */
export async function nextFrame(video: HTMLVideoElement): Promise<void> {
  await whenShown();
  await new Promise<void>((resolve) => {
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(() => resolve());
    else requestAnimationFrame(() => resolve());
  });
}
