import type { LabelImage } from '../data/image.js';
import { UserError } from '../errors.js';
import type { PredictOptions } from '../eval/predict.js';
import { predictLabels, resizeImage } from '../eval/predict.js';
import type { Predictor } from '../eval/predictor.js';
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
}

/**
 * Labels of a stream, frame by frame: while the caller has one, the next is computed and the one after is decoded, and no
 * more; a caller that takes its time holds up a file, and of a live stream gets the newest frame next.
 * @throws UserError where the stream cannot be read.
 */
export async function* segmentStream(
  predictor: Pick<Predictor, 'labels' | 'logits'>,
  ffmpeg: Ffmpeg,
  source: StreamSource,
  options: StreamOptions = {},
): AsyncGenerator<SegmentedFrame, void> {
  const { view, every = 1, smooth = 0 } = options;
  const feed = new Feed(ffmpeg, source, options);
  const smoother = smooth > 0 ? new Smoother(smooth) : undefined;
  let last: LabelImage | undefined;

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
    return smoothed(predictor, smoother, image, how.resize ?? [height, width]);
  };

  const step = async (): Promise<SegmentedFrame | undefined> => {
    const frame = await feed.next();
    if (!frame) return undefined;
    const start = performance.now();
    const { width, height } = frame.image;
    const keeps = frame.index % every !== 0 && last?.width === width && last.height === height;
    if (!keeps) last = await compute(frame);
    const now = performance.now();
    const { dropped, complaints, reconnects } = feed;
    return {
      ...{ frame, labels: last!, ms: keeps ? 0 : now - start, latencyMs: now - frame.arrived },
      ...{ dropped, complaints, reconnects, flicker: smoother?.flicker },
    };
  };

  let upcoming = step();
  try {
    for (;;) {
      const result = await upcoming;
      if (!result) return;
      upcoming = step();
      // It is awaited in the next round, or given up with the loop.
      upcoming.catch(() => undefined);
      yield result;
      feed.release(result.frame);
    }
  } finally {
    feed.stop();
    await upcoming.catch(() => undefined);
  }
}

async function smoothed(
  predictor: Pick<Predictor, 'logits'>,
  smoother: Smoother,
  image: Frame['image'],
  [height, width]: readonly [number, number],
): Promise<LabelImage> {
  const logits = smoother.add(await predictor.logits(resizeImage(image, height, width)));
  // Straight to the frame's own size.
  const whole = { logits, top: 0, left: 0, height: image.height, width: image.width, flipped: false };
  return { height: image.height, width: image.width, data: fuseViews([whole], image.height, image.width) };
}
