import type { OpenAPIHono } from '@hono/zod-openapi';
import { referencePage } from '../reference.js';
import type { Context, Services } from '../services.js';

/** The document, its page, and metrics. */
export function operationRoutes(app: OpenAPIHono<Context>, { metrics, version }: Services): void {
  const document = () =>
    app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'vnet-segmentation',
        version,
        description: 'Semantic segmentation of pictures, and the Open Inference Protocol v2.',
      },
    });
  app.get('/openapi.json', (c) => c.json(document()));
  app.get('/docs', (c) => c.html(referencePage(document())));
  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  );
}
