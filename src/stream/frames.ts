import type { Frame } from './decode.js';
import { Feed } from './feed.js';
import { findFfmpeg } from './ffmpeg.js';
import type { FeedOptions } from './options.js';
import { identify } from './probe.js';
import { cameraSource, sourceOf } from './source.js';

/** A frame of a video: pixels as every picture here (RGB, rows first), and where it stands. */
export interface VideoPicture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** Counted from 0, frames that were dropped too. */
  readonly index: number;
  /** Time in the video. */
  readonly seconds: number;
}

export interface VideoOptions extends Omit<FeedOptions, 'hdr' | 'skip'> {
  /** The ffmpeg program; default: the one in PATH. */
  readonly ffmpeg?: string;
}

/**
 * Frames of a video file, an address (`rtsp://…`, `https://…/live.m3u8`), a camera, or standard input (`-`), decoded by
 * ffmpeg while the caller works: of files every frame in order, of live streams the newest one each time.
 *
 *     for await (const { frame, segmentation } of segmenter.stream(videoFrames('drive.mp4'))) …
 *
 * @throws UserError, one line: no ffmpeg, or a stream that cannot be read.
 */
export async function* videoFrames(
  source: string | { readonly camera: string | number },
  options: VideoOptions = {},
): AsyncGenerator<VideoPicture, void> {
  const { ffmpeg: given, ...rest } = options;
  const ffmpeg = await findFfmpeg(given);
  const opened = typeof source === 'string' ? sourceOf(source) : cameraSource(String(source.camera));
  // Cameras and streams that are always live are not kept from their first frame.
  const known = opened.kind === 'file' || opened.ended ? await identify(ffmpeg, opened) : { source: opened };
  const feed = new Feed(ffmpeg, known.source, {
    ...rest,
    hdr: known.source.kind === 'file' && known.info?.hdr,
  });
  try {
    for (let frame = await feed.next(); frame; frame = await feed.next()) yield pictureOf(frame);
  } finally {
    feed.stop();
  }
}

const pictureOf = ({ image, index, seconds }: Frame): VideoPicture => ({ ...image, index, seconds });
