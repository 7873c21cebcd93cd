import type { OpenAPIHono } from '@hono/zod-openapi';
import { createRoute, z } from '@hono/zod-openapi';
import { Problem } from '../problem.js';
import { Runs } from '../runs.js';
import type { Context, Services } from '../services.js';
import { errors, jsonOf } from './schemas.js';

const summaryShape = {
  name: z.string(),
  running: z.boolean(),
  updated: z.number().openapi({ description: 'seconds since 1970 of the last metrics; 0 before the first' }),
  epoch: z.number(),
  epochs: z.number(),
  step: z.number(),
  loss: z.number().nullable(),
  miou: z.number().nullable().openapi({ description: 'the best so far, 0 to 1' }),
  problem: z.string().optional().openapi({ description: 'why it cannot be read' }),
};
const details = z.object({
  ...summaryShape,
  settings: z.array(z.object({ name: z.string(), value: z.string() })),
  steps: z.array(
    z.object({
      step: z.number(),
      loss: z.number(),
      learningRate: z.number(),
      imagesPerSecond: z.number(),
      rssBytes: z.number().optional(),
    }),
  ),
  validations: z.array(z.object({ step: z.number(), epoch: z.number(), miou: z.number().nullable() })),
  pictures: z.array(
    z.object({
      picture: z.string(),
      epochs: z.array(z.object({ epoch: z.number(), file: z.string() })),
    }),
  ),
  hasModel: z.boolean(),
});

const name = z.string().min(1).max(255);
const binary = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: { type: 'string', format: 'binary' } as const } },
});

const list = createRoute({
  method: 'get',
  path: '/v1/runs',
  summary: 'The trainings in the folder of runs, the newest first',
  responses: {
    200: jsonOf('All of them', z.object({ runs: z.array(z.object(summaryShape)) })),
    ...errors(401, 404),
  },
});
const single = createRoute({
  method: 'get',
  path: '/v1/runs/{name}',
  summary: 'A training with its curves',
  request: { params: z.object({ name }) },
  responses: { 200: jsonOf('Settings, curves and pictures', details), ...errors(401, 404, 422) },
});
const picture = createRoute({
  method: 'get',
  path: '/v1/runs/{name}/pictures/{file}',
  summary: 'The prediction for a validation picture, over it',
  request: { params: z.object({ name, file: z.string().min(1).max(255) }) },
  responses: { 200: binary('image/jpeg', 'JPEG'), ...errors(401, 404, 422) },
});
const model = createRoute({
  method: 'get',
  path: '/v1/runs/{name}/model',
  summary: 'The best model of a training, else its last checkpoint',
  request: { params: z.object({ name }) },
  responses: { 200: binary('application/octet-stream', 'safetensors'), ...errors(401, 404) },
});

/** Trainings, to be looked at: nothing is changed. */
export function runRoutes(app: OpenAPIHono<Context>, { settings }: Services): void {
  const runs = () => {
    if (settings.runs === undefined)
      throw new Problem(404, 'no folder of runs is shown: the server was started without `runs`');
    return new Runs(settings.runs);
  };
  app.openapi(list, async (c) => c.json({ runs: await runs().list() }, 200) as never);
  app.openapi(single, async (c) => c.json(await runs().open(c.req.valid('param').name), 200) as never);
  app.openapi(picture, async (c) => {
    const { name, file } = c.req.valid('param');
    const bytes = await runs().picture(name, file);
    // Written once, under a name with its epoch.
    const headers = { 'content-type': 'image/jpeg', 'cache-control': 'private, max-age=3600' };
    return c.body(new Uint8Array(bytes), 200, headers) as never;
  });
  app.openapi(model, async (c) => {
    const bytes = await runs().model(c.req.valid('param').name);
    return c.body(new Uint8Array(bytes), 200, { 'content-type': 'application/octet-stream' }) as never;
  });
}
