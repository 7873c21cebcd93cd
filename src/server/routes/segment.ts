import type { OpenAPIHono } from '@hono/zod-openapi';
import { createRoute, z } from '@hono/zod-openapi';
import type { RgbImage } from '../../data/image.js';
import type { Output } from '../answer.js';
import { describe, outputOf, outputs, picture } from '../answer.js';
import type { FormFile } from '../multipart.js';
import { filesOf } from '../multipart.js';
import { decodePicture } from '../picture.js';
import { Problem, problemOf } from '../problem.js';
import type { ServedModel } from '../repository.js';
import type { PixelSize, Segmented } from '../segmenting.js';
import type { Context, Services } from '../services.js';
import { seenSize, sizePattern } from '../sizes.js';
import { errors, jsonOf } from './schemas.js';

export const pictureQuery = z.object({
  model: z
    .string()
    .max(100)
    .optional()
    .openapi({ description: 'name; default: the first one', example: 'camvid' }),
  version: z.string().max(20).optional().openapi({ description: 'default: the highest' }),
  output: z.enum(outputs).optional().openapi({ description: 'overrides Accept' }),
  size: z
    .string()
    .regex(sizePattern, 'expected auto, own or HEIGHTxWIDTH, such as 512x1024')
    .default('auto')
    .openapi({
      description:
        'what the network sees: near the size it was trained on, the size of the picture, or HEIGHTxWIDTH',
    }),
  opacity: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .openapi({ description: 'of the colours in an overlay' }),
});

const binary = { type: 'string', format: 'binary' } as const;
const description = z
  .object({
    model: z.object({ name: z.string(), version: z.string() }),
    height: z.number().int(),
    width: z.number().int(),
    seen: z.object({ height: z.number().int(), width: z.number().int() }),
    classes: z.array(
      z.object({
        id: z.number().int(),
        name: z.string(),
        colour: z.array(z.number().int()),
        pixels: z.number().int(),
        share: z.number(),
        rle: z
          .object({ size: z.array(z.number().int()), counts: z.string() })
          .openapi({ description: 'COCO run lengths, as pycocotools decodes them' }),
      }),
    ),
    milliseconds: z.object({ queue: z.number(), infer: z.number() }),
  })
  .openapi('Segmentation');

const one = createRoute({
  method: 'post',
  path: '/v1/segment',
  summary: 'Segment a picture',
  description:
    'Body: the bytes of a PNG, JPEG, WebP, TIFF, GIF or AVIF picture, or a form with one. The answer has the picture’s own size; `Accept` chooses label PNG (image/png), overlay (image/jpeg) or areas and run lengths (application/json).',
  request: {
    query: pictureQuery,
    body: {
      required: true,
      content: {
        'image/*': { schema: binary },
        'multipart/form-data': { schema: { type: 'object', properties: { image: binary } } },
      },
    },
  },
  responses: {
    200: {
      description: 'The classes of all pixels',
      content: {
        'image/png': { schema: binary },
        'image/jpeg': { schema: binary },
        'application/json': { schema: description },
      },
    },
    ...errors(400, 401, 406, 413, 422, 429, 503),
  },
});

const many = createRoute({
  method: 'post',
  path: '/v1/segment/batch',
  summary: 'Segment several pictures',
  description: 'A form with any number of pictures; one that fails does not hold up the others.',
  request: {
    query: pictureQuery.omit({ output: true, opacity: true }),
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: { type: 'object', properties: { images: { type: 'array', items: binary } } },
        },
      },
    },
  },
  responses: {
    200: jsonOf(
      'One entry a picture, in order',
      z.object({
        results: z.array(
          z.union([
            description.extend({ file: z.string() }),
            z.object({ file: z.string(), error: z.string() }),
          ]),
        ),
      }),
    ),
    ...errors(400, 401, 413, 422, 429, 503),
  },
});

export function segmentRoutes(app: OpenAPIHono<Context>, services: Services): void {
  const { bodies, repository, segmenting, metrics, settings, log } = services;

  /** Segments one picture and makes the answer of it. */
  const segment = <T>(
    bytes: Uint8Array<ArrayBuffer>,
    { name, model, size, signal }: { name: string; model: ServedModel; size: string; signal: AbortSignal },
    answer: (image: RgbImage, result: Segmented, seen: PixelSize) => Promise<T> | T,
  ): Promise<T> =>
    segmenting.inSlot(signal, async () => {
      const { pixels } = settings.limits;
      const image = await metrics.timed('decode', () => decodePicture(bytes, name, pixels));
      const seen = seenSize(size, image, model.info, pixels);
      const result = await segmenting.run(model, image, seen, signal);
      return metrics.timed('encode', async () => answer(image, result, seen));
    });

  app.openapi(one, async (c) => {
    const { model: name, version, output: asked, size, opacity } = c.req.valid('query');
    const output: Output = asked ?? outputOf(c.req.header('accept'));
    segmenting.checkRoom();
    const model = await repository.open(name, version);
    const response = await bodies.read(c.req.raw, async (body) => {
      const bytes = await only(body, c.req.header('content-type') ?? '');
      const work = { name: 'the picture', model, size, signal: c.var.signal };
      return segment(bytes, work, async (image, result, seen) => {
        if (output === 'json') return c.json(describe(model, result, seen), 200);
        const { type, bytes } = await picture(output, model, image, result.labels, opacity);
        return c.body(bytes, 200, { 'content-type': type });
      });
    });
    // Another type is another answer: caches must know.
    response.headers.set('vary', 'Accept');
    return response as never;
  });

  app.openapi(many, async (c) => {
    const { model: name, version, size } = c.req.valid('query');
    segmenting.checkRoom();
    const model = await repository.open(name, version);
    const describeFile = async ({ name: file, bytes }: FormFile) => {
      const work = { name: file, model, size, signal: c.var.signal };
      try {
        return await segment(bytes, work, (_, result, seen) => ({ file, ...describe(model, result, seen) }));
      } catch (error) {
        const problem = problemOf(error);
        if (!problem) log.error({ err: error, requestId: c.var.requestId }, 'a picture of a batch failed');
        return { file, error: problem?.message ?? 'the picture could not be segmented' };
      }
    };
    const results = await bodies.read(c.req.raw, async (body) => {
      const files = await filesOf(body, c.req.header('content-type') ?? '', settings.limits.batch);
      segmenting.checkRoom(files.length);
      return Promise.all(files.map(describeFile));
    });
    return c.json({ results }, 200) as never;
  });
}

/** The picture of a body: the body itself, or the file of a form. */
async function only(body: Uint8Array<ArrayBuffer>, contentType: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!contentType.toLowerCase().startsWith('multipart/form-data')) return body;
  const files = await filesOf(body, contentType, 8);
  if (files.length === 1) return files[0].bytes;
  throw new Problem(400, `the form holds ${files.length} files; send several to /v1/segment/batch`);
}
