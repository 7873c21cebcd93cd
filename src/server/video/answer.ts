import type { Rgb } from '../../data/classes.js';
import { UserError } from '../../errors.js';
import { Encoder } from '../../stream/encode.js';
import type { Ffmpeg } from '../../stream/ffmpeg.js';
import { Painter } from '../../stream/paint.js';
import type { SegmentedFrame } from '../../stream/segment.js';
import { classesOf } from '../answer.js';
import { Problem } from '../problem.js';
import type { ServedModel } from '../repository.js';

/** What a video can be answered with, and its media type. */
export const videoOutputs = {
  json: 'application/x-ndjson',
  overlay: 'video/mp4',
  labels: 'video/x-matroska',
} as const;
export type VideoOutput = keyof typeof videoOutputs;

/** The output that an `Accept` header names; lines of JSON where it names none. */
export function videoOutputOf(accept = ''): VideoOutput {
  const types = accept.split(',').map((range) => range.split(';')[0].trim().toLowerCase());
  const found = Object.entries(videoOutputs).find(([, type]) => types.includes(type));
  return (found?.[0] as VideoOutput | undefined) ?? 'json';
}

type Frames = AsyncGenerator<SegmentedFrame, void>;

const line = (value: object): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);

/** A line a frame: its time, and the classes that occur with their run lengths. A failure is the last line. */
export async function* frameLines(first: SegmentedFrame, rest: Frames, model: ServedModel) {
  try {
    for await (const { frame, labels } of chained(first, rest)) {
      const { index, seconds, image } = frame;
      yield line({
        ...{ frame: index, seconds: Math.round(1e6 * seconds) / 1e6 },
        ...{ height: image.height, width: image.width, classes: classesOf(model, labels) },
      });
    }
  } catch (error) {
    if (!(error instanceof UserError || error instanceof Problem)) throw error;
    yield line({ error: error.message });
  }
}

/** A video of overlays or labels, in pieces as it comes. */
export async function* videoPieces(
  output: 'overlay' | 'labels',
  first: SegmentedFrame,
  rest: Frames,
  { model, ffmpeg, opacity }: { model: ServedModel; ffmpeg: Ffmpeg; opacity: number },
): AsyncGenerator<Uint8Array> {
  const painter = new Painter(model.info.classes.colours as Rgb[], opacity, { planes: true });
  const encoder = new Encoder(ffmpeg, {
    file: '-',
    frameSeconds: 1 / 25,
    ...(output === 'overlay' ? { pixels: 'yuv420p', pipe: 'mp4' } : { pixels: 'gray8', pipe: 'ffv1' }),
  });
  const write = ({ frame, labels }: SegmentedFrame): Promise<void> =>
    encoder.write(output === 'overlay' ? painter.paint(frame.image, labels) : labels, frame.seconds);
  const writeRest = async (): Promise<void> => {
    for await (const result of rest) await write(result);
    await encoder.finish();
  };
  try {
    await write(first);
    const written = writeRest();
    // What goes wrong ends what comes out, too.
    written.catch(() => encoder.abort());
    for await (const piece of encoder.output!) yield piece as Uint8Array;
    await written;
  } finally {
    await encoder.abort();
  }
}

async function* chained(first: SegmentedFrame, rest: Frames): Frames {
  yield first;
  yield* rest;
}

/**
 * A body of what a generator gives, asked for a piece when the last was taken.
 * @param stallMs given up where a client takes no piece for so long.
 * @param onEnd told once, with what went wrong.
 */
export function bodyOf(
  pieces: AsyncGenerator<Uint8Array>,
  stallMs: number,
  onEnd: (error?: unknown) => void,
): ReadableStream<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const end = (error?: unknown): void => {
    clearTimeout(timer);
    if (ended) return;
    ended = true;
    onEnd(error);
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(timer);
        try {
          const { value, done } = await pieces.next();
          if (done) {
            controller.close();
            end();
            return;
          }
          controller.enqueue(value);
        } catch (error) {
          controller.error();
          end(error);
          return;
        }
        if (ended) return;
        timer = setTimeout(() => {
          controller.error();
          end(new Problem(408, 'the client takes no more'));
          pieces.return(undefined).catch(() => undefined);
        }, stallMs);
      },
      cancel() {
        end();
        pieces.return(undefined).catch(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
