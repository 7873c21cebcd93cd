import type { OpenAPIHono } from '@hono/zod-openapi';
import { createRoute, z } from '@hono/zod-openapi';
import type { SegmentedFrame } from '../../stream/segment.js';
import { untrustedSource } from '../../stream/source.js';
import { Problem } from '../problem.js';
import type { PixelSize } from '../segmenting.js';
import type { Context, Services } from '../services.js';
import { seenSize } from '../sizes.js';
import type { VideoOutput } from '../video/answer.js';
import { bodyOf, frameLines, videoOutputOf, videoOutputs, videoPieces } from '../video/answer.js';
import { indexComesLast, Spool } from '../video/spool.js';
import { errors } from './schemas.js';
import { pictureQuery } from './segment.js';

const binary = { type: 'string', format: 'binary' } as const;
const kinds = Object.keys(videoOutputs) as [VideoOutput, ...VideoOutput[]];

const route = createRoute({
  method: 'post',
  path: '/v1/segment/video',
  summary: 'Segment a video',
  description:
    'Body: the bytes of a video. The answer comes frame by frame while the video is computed, for most formats while it is still sent: lines of JSON (application/x-ndjson, default), an overlay (video/mp4) or exact labels (video/x-matroska, FFV1, one grey value a pixel), as `Accept` says. Where it fails midway, the last line of JSON is the error, and a video ends early.',
  request: {
    query: pictureQuery.extend({
      output: z.enum(kinds).optional().openapi({ description: 'overrides Accept' }),
      every: z.coerce
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(1)
        .openapi({ description: 'compute every n-th frame; those between keep its labels' }),
      fps: z.coerce
        .number()
        .positive()
        .max(1000)
        .optional()
        .openapi({ description: 'take this many frames a second' }),
    }),
    body: { required: true, content: { 'video/*': { schema: binary } } },
  },
  responses: {
    200: {
      description: 'Frame by frame',
      content: Object.fromEntries(Object.values(videoOutputs).map((type) => [type, { schema: binary }])),
    },
    ...errors(400, 401, 408, 413, 422, 429, 501, 503),
  },
});

export function videoRoutes(app: OpenAPIHono<Context>, services: Services): void {
  const { repository, segmenting, settings, ffmpeg, log, videos } = services;
  const { limits } = settings;

  app.openapi(route, async (c) => {
    const { model: name, version, output: asked, size, opacity, every, fps } = c.req.valid('query');
    const output = asked ?? videoOutputOf(c.req.header('accept'));
    if (!ffmpeg) throw new Problem(501, 'this server takes no videos: it has no ffmpeg');
    const model = await repository.open(name, version);
    const free = videos.take();
    // Long ones take long: only the client's leaving ends them.
    const stop = new AbortController();
    const leave = (): void => stop.abort();
    c.req.raw.signal.addEventListener('abort', leave);
    let spool: Spool | undefined;
    let frames: AsyncGenerator<SegmentedFrame, void> | undefined;
    const end = async (): Promise<void> => {
      c.req.raw.signal.removeEventListener('abort', leave);
      stop.abort();
      await frames?.return(undefined).catch(() => undefined);
      await spool?.dispose();
      free();
    };
    try {
      spool = await Spool.of(c.req.raw, limits.videoBytes);
      const last = indexComesLast(await spool.head());
      if (last) await spool.whole();
      const source = untrustedSource(last ? spool.file : spool.bytes(), limits.pixels);
      const seenAs = (frame: PixelSize) => {
        const { height, width } = frame;
        if (height * width > limits.pixels) {
          throw new Problem(413, `the frames have ${height}×${width} pixels, ${limits.pixels} are the most`);
        }
        return seenSize(size, frame, model.info, limits.pixels);
      };
      const options = { signal: stop.signal, every, fps };
      frames = segmenting.frames(model, { ffmpeg, source, seenAs }, options);
      // What is wrong from the start has a status of its own.
      const first = await frames.next();
      if (first.done) throw new Problem(422, 'the video holds no frame');
      const pieces =
        output === 'json'
          ? frameLines(first.value, frames, model)
          : videoPieces(output, first.value, frames, { model, ffmpeg, opacity });
      const { requestId } = c.var;
      const body = bodyOf(pieces, 1000 * limits.seconds, (error) => {
        if (error !== undefined) log.warn({ err: error, requestId }, 'a video ended early');
        end().catch((failure: unknown) => log.error({ err: failure, requestId }, 'a video was not ended'));
      });
      return c.body(body, 200, { 'content-type': videoOutputs[output], vary: 'Accept' }) as never;
    } catch (error) {
      // The upload's own failure says more than that of who reads it.
      const cause = await spool?.whole().catch((failure: unknown) => failure);
      await end();
      throw cause instanceof Problem ? cause : error;
    }
  });
}
