import type { OpenAPIHono } from '@hono/zod-openapi';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context as HonoContext } from 'hono';
import { inputTensor, outputsOf, parseInference } from '../inference.js';
import { Problem } from '../problem.js';
import type { ServedModel } from '../repository.js';
import type { Context, Services } from '../services.js';
import { errors, jsonOf } from './schemas.js';

/** The Open Inference Protocol v2 (KServe), with Triton's binary tensor extension. */
const live = z.object({}).openapi({ description: 'no content' });
const params = z.object({ name: z.string().max(100) });
const versioned = params.extend({ version: z.string().max(20) });

const metadataOf = ({ name, version, info }: ServedModel) => ({
  name,
  versions: [version],
  platform: 'vnet_segmentation',
  inputs: [{ name: 'images', datatype: 'UINT8', shape: [-1, -1, -1, 3] }],
  outputs: [{ name: 'labels', datatype: 'UINT8', shape: [-1, -1, -1] }],
  parameters: { classes: info.classes.names.join(',') },
});

const tensor = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.number().int()),
});
const metadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensor),
  outputs: z.array(tensor),
  parameters: z.object({ classes: z.string() }),
});

export function inferenceRoutes(app: OpenAPIHono<Context>, services: Services): void {
  const { bodies, repository, segmenting, settings, version, isReady } = services;
  const extensions = ['binary_tensor_data', 'model_repository'];

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v2',
      summary: 'The server (Open Inference Protocol v2)',
      responses: {
        200: jsonOf(
          'Name, version, extensions',
          z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) }),
        ),
      },
    }),
    (c) => c.json({ name: 'vnet-segmentation', version, extensions }, 200),
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/v2/health/live',
      summary: 'Whether the server runs',
      responses: { 200: jsonOf('It does', live) },
    }),
    (c) => c.json({}, 200),
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/v2/health/ready',
      summary: 'Whether the server takes requests',
      responses: { 200: jsonOf('It does', live), ...errors(503) },
    }),
    (c) => {
      if (isReady()) return c.json({}, 200);
      throw new Problem(503, 'the server is shutting down');
    },
  );
  app.openapi(
    createRoute({
      method: 'post',
      path: '/v2/repository/index',
      summary: 'All models',
      responses: {
        200: jsonOf(
          'By name and version',
          z.array(z.object({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() })),
        ),
      },
    }),
    async (c) => {
      const entries = await repository.entries();
      return c.json(
        entries.map(({ name, version }) => ({ name, version, state: 'READY', reason: '' })),
        200,
      );
    },
  );

  for (const [prefix, schema] of [
    ['/v2/models/{name}', params],
    ['/v2/models/{name}/versions/{version}', versioned],
  ] as const) {
    const open = (c: HonoContext<Context>): Promise<ServedModel> =>
      repository.open(c.req.param('name'), c.req.param('version'));
    app.openapi(
      createRoute({
        method: 'get',
        path: `${prefix}/ready` as '/v2/models/{name}/ready',
        summary: 'Whether a model is there',
        request: { params: schema },
        responses: { 200: jsonOf('It is', live), ...errors(404, 422) },
      }),
      async (c) => {
        await open(c);
        return c.json({}, 200) as never;
      },
    );
    app.openapi(
      createRoute({
        method: 'get',
        path: prefix as '/v2/models/{name}',
        summary: 'Inputs and outputs of a model',
        request: { params: schema },
        responses: { 200: jsonOf('Its tensors', metadata), ...errors(404, 422) },
      }),
      async (c) => c.json(metadataOf(await open(c)), 200) as never,
    );
    app.openapi(
      createRoute({
        method: 'post',
        path: `${prefix}/infer` as '/v2/models/{name}/infer',
        summary: 'Segment tensors',
        description:
          'Input `images`: UINT8, N×H×W×3, red green blue, from 32×32. Output `labels`: UINT8, N×H×W, the class of each pixel. Tensors as JSON, or binary after it (`Inference-Header-Content-Length`).',
        request: {
          params: schema,
          body: {
            required: true,
            content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
          },
        },
        responses: {
          200: {
            description: 'The tensors',
            content: { 'application/json': { schema: z.object({}).loose() } },
          },
          ...errors(400, 401, 404, 413, 415, 422, 429, 503),
        },
      }),
      async (c) => {
        const encoding = c.req.header('content-encoding') ?? 'identity';
        if (encoding !== 'identity') {
          throw new Problem(
            415,
            `Content-Encoding: ${encoding.slice(0, 20)} is not read here; send the body as it is`,
          );
        }
        segmenting.checkRoom();
        const model = await open(c);
        return bodies.read(c.req.raw, async (body) => {
          const request = parseInference(body, c.req.header('inference-header-content-length'));
          const images = inputTensor(request, settings.limits);
          const { signal } = c.var;
          const { shape, data } = images;
          const [count, height, width] = shape;
          const labels = new Uint8Array(count * height * width);
          for (let i = 0; i < count; i++) {
            const pixels = data.subarray(i * height * width * 3, (i + 1) * height * width * 3);
            await segmenting.inSlot(signal, async () => {
              const image = { height, width, data: pixels };
              const result = await segmenting.run(model, image, { height, width }, signal);
              labels.set(result.labels.data, i * height * width);
            });
          }
          const answer = outputsOf(request, model, [
            { name: 'labels', shape: [count, height, width], data: labels },
          ]);
          return c.body(answer.bytes, 200, answer.headers) as never;
        });
      },
    );
  }
}
