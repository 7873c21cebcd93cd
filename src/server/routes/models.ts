import type { OpenAPIHono } from '@hono/zod-openapi';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context, Services } from '../services.js';
import { errors, jsonOf } from './schemas.js';

const list = createRoute({
  method: 'get',
  path: '/v1/models',
  summary: 'The models',
  responses: {
    200: jsonOf(
      'All models by name and version',
      z.object({
        models: z.array(z.object({ name: z.string(), version: z.string(), loaded: z.boolean() })),
      }),
    ),
    ...errors(401),
  },
});

const single = createRoute({
  method: 'get',
  path: '/v1/models/{name}',
  summary: 'What a model is',
  request: {
    params: z.object({ name: z.string().max(100) }),
    query: z.object({ version: z.string().max(20).optional() }),
  },
  responses: {
    200: jsonOf(
      'Its network, classes and training',
      z.object({
        name: z.string(),
        version: z.string(),
        network: z.string(),
        dataset: z.string(),
        miou: z.number().optional(),
        classes: z.array(z.object({ id: z.number(), name: z.string(), colour: z.array(z.number()) })),
      }),
    ),
    ...errors(401, 404, 422),
  },
});

export function modelRoutes(app: OpenAPIHono<Context>, { repository }: Services): void {
  app.openapi(list, async (c) => {
    const entries = await repository.entries();
    const models = entries.map((entry) => ({
      name: entry.name,
      version: entry.version,
      loaded: repository.isLoaded(entry),
    }));
    return c.json({ models }, 200) as never;
  });
  app.openapi(single, async (c) => {
    const { info, network, name, version } = await repository.open(
      c.req.valid('param').name,
      c.req.valid('query').version,
    );
    const { names, colours } = info.classes;
    return c.json(
      {
        name,
        version,
        network: network.name,
        dataset: info.classes.name,
        miou: info.trained.miou,
        classes: names.map((label, id) => ({ id, name: label, colour: colours[id] })),
      },
      200,
    ) as never;
  });
}
