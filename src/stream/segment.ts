import { setImmediate as othersTurn } from 'node:timers/promises';
import type { LabelImage } from '../data/image.js';
import { UserError } from '../errors.js';
import type { PredictOptions } from '../eval/predict.js';
import { predictLabels, resizeImage } from '../eval/predict.js';
import type { CoarseLogits, Predictor } from '../eval/predictor.js';
import { fuseViews } from '../eval/views.js';
import type { Frame } from './decode.js';
import { Feed } from './feed.js';
import type { Ffmpeg } from './ffmpeg.js';
import type { FeedOptions } from './options.js';
import { Smoother } from './smooth.js';
import type { StreamSource } from './source.js';

/** A frame with the class of each of its pixels. */
export interface SegmentedFrame {
  /** Its memory is used again once the next one is asked for: copy what is to stay. */
  readonly frame: Frame;
  readonly labels: LabelImage;
  /** Milliseconds of the network; 0 for a frame that keeps the labels of the one before. */
  readonly ms: number;
  /** Milliseconds from the frame's arrival to its labels. */
  readonly latencyMs: number;
  /** So far: live frames passed over, damage that ffmpeg told of, connections made again. */
  readonly dropped: number;
  readonly complaints: number;
  readonly reconnects: number;
  /** With `smooth`: mean share of changing cells from frame to frame, without and with it. */
  readonly flicker?: { readonly before: number; readonly after: number };
}

export interface StreamOptions extends FeedOptions {
  /** How frames of a size are shown to the network; default: as they are. */
  readonly view?: (size: { readonly height: number; readonly width: number }) => PredictOptions;
  /** Compute every n-th frame only; those between keep its labels. Default 1. */
  readonly every?: number;
  /** Share of the past in averaged logits, 0 to below 1. Default 0: none. */
  readonly smooth?: number;
  /** Frames that are computed side by side: what the predictor has places for. Default 1. */
  readonly lanes?: number;
}

/** A frame whose labels are being computed. */
interface Begun {
  readonly frame: Frame;
  readonly labels: Promise<LabelImage>;
  /** Whether it keeps the labels of the one before. */
  readonly keeps: boolean;
  readonly start: number;
}

/**
 * Labels of a stream, frame by frame: while the caller has one, the next is computed (with `lanes`: so many, and one that
 * follows) and the one after is decoded, and no more; a caller that takes its time holds up a file, and of a live stream
 * gets the newest frame next.
 * @throws UserError where the stream cannot be read.
 */
export async function* segmentStream(
  predictor: Pick<Predictor, 'labels' | 'logits'>,
  ffmpeg: Ffmpeg,
  source: StreamSource,
  options: StreamOptions = {},
): AsyncGenerator<SegmentedFrame, void> {
  const { view, every = 1, smooth = 0, lanes = 1 } = options;
  const feed = new Feed(ffmpeg, source, options);
  const smoother = smooth > 0 ? new Smoother(smooth) : undefined;
  const places = new Semaphore(lanes);
  let stopped = false;
  let last: { readonly image: Frame['image']; readonly labels: Promise<LabelImage> } | undefined;

  const compute = async ({ image }: Frame): Promise<LabelImage> => {
    const how = view?.(image) ?? {};
    if (!smoother) return predictLabels(predictor, image, how);
    if (how.scales || how.flip || how.window) {
      throw new UserError(
        '`smooth`: averages the logits of whole frames; not with scales, flips or windows',
        2,
      );
    }
    const { height, width } = image;
    const before = last?.labels;
    const logits = await predictor.logits(resizeImage(image, ...(how.resize ?? [height, width])));
    await before;
    return labelsOf(smoother.add(logits), image);
  };

  /** Frames are taken one after the other; their labels may come in any order. */
  const begin = async (): Promise<Begun | undefined> => {
    await places.take();
    let frame: Frame | undefined;
    try {
      if (!stopped) frame = await feed.next();
    } finally {
      if (!frame) places.leave();
    }
    if (!frame) return undefined;
    const start = performance.now();
    const { width, height } = frame.image;
    const keeps = frame.index % every !== 0 && last?.image.width === width && last.image.height === height;
    if (keeps) places.leave();
    else {
      const labels = compute(frame).finally(() => places.leave());
      // Told with the frame, or given up with the loop.
      labels.catch(() => undefined);
      last = { image: frame.image, labels };
    }
    return { frame, labels: last!.labels, keeps, start };
  };

  let begun: Promise<unknown> = Promise.resolve();
  const step = async (): Promise<SegmentedFrame | undefined> => {
    const mine = begun.then(begin);
    begun = mine;
    const taken = await mine;
    if (!taken) return undefined;
    const { frame, keeps, start } = taken;
    const labels = await taken.labels;
    const now = performance.now();
    const { dropped, complaints, reconnects } = feed;
    return {
      ...{ frame, labels, ms: keeps ? 0 : now - start, latencyMs: now - frame.arrived },
      ...{ dropped, complaints, reconnects, flicker: smoother?.flicker },
    };
  };

  const upcoming: Promise<SegmentedFrame | undefined>[] = [];
  const goOn = (): void => {
    const next = step();
    // It is awaited in its turn, or given up with the loop.
    next.catch(() => undefined);
    upcoming.push(next);
  };
  try {
    goOn();
    if (lanes > 1) for (let lane = 0; lane < lanes; lane++) goOn();
    for (;;) {
      const result = await upcoming.shift();
      if (!result) return;
      goOn();
      // The caller's work would come first otherwise, with all threads waiting for it.
      await othersTurn();
      yield result;
      feed.release(result.frame);
    }
  } finally {
    stopped = true;
    feed.stop();
    await Promise.allSettled(upcoming);
  }
}

/** So many at a time; one may wait. */
class Semaphore {
  private wake: (() => void) | undefined;

  constructor(private left: number) {}

  async take(): Promise<void> {
    if (this.left === 0) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    this.left--;
  }

  leave(): void {
    this.left++;
    this.wake?.();
    this.wake = undefined;
  }
}

/** Straight to the frame's own size. */
function labelsOf(logits: CoarseLogits, { height, width }: Frame['image']): LabelImage {
  const whole = { logits, top: 0, left: 0, height, width, flipped: false };
  return { height, width, data: fuseViews([whole], height, width) };
}
