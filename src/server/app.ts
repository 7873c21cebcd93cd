import { randomUUID } from 'node:crypto';
import { serveStatic } from '@hono/node-server/serve-static';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import { drain } from './body.js';
import { isLoopback, requireLoopbackName, requireToken } from './guards.js';
import { Problem, problemOf } from './problem.js';
import { inferenceRoutes } from './routes/inference.js';
import { modelRoutes } from './routes/models.js';
import { operationRoutes } from './routes/operations.js';
import { runRoutes } from './routes/runs.js';
import { segmentRoutes } from './routes/segment.js';
import { streamRoutes } from './routes/streams.js';
import { videoRoutes } from './routes/video.js';
import type { Context, Services } from './services.js';

/** All routes of the server with what stands before them. */
export function createApp(services: Services): OpenAPIHono<Context> {
  const { settings, log } = services;
  const app = new OpenAPIHono<Context>({
    defaultHook: (result) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      throw new Problem(400, `${issue.path.join('.')}: ${issue.message}`);
    },
  });
  app.use(observe(services));
  if (isLoopback(settings.host)) app.use(requireLoopbackName);
  if (settings.cors.length > 0)
    app.use(cors({ origin: [...settings.cors], exposeHeaders: ['x-request-id'] }));
  if (settings.token !== undefined) {
    for (const path of ['/v1/*', '/v2/models/*', '/v2/repository/*', '/metrics']) {
      app.use(path, requireToken(settings.token));
    }
  }
  app.use('/v1/*', refuseWhenStopping(services));
  segmentRoutes(app, services);
  modelRoutes(app, services);
  inferenceRoutes(app, services);
  videoRoutes(app, services);
  streamRoutes(app, services);
  runRoutes(app, services);
  operationRoutes(app, services);
  if (settings.site !== undefined) {
    app.use(isolate);
    app.use(serveStatic({ root: settings.site }));
  } else {
    app.get('/', (c) => c.redirect('/docs'));
  }
  const { bytes, seconds } = settings.limits;
  app.notFound(async (c) => {
    await drain(c.req.raw, bytes, seconds);
    return c.json({ error: 'no such page; /docs tells what there is' }, 404);
  });
  app.onError(async (error, c) => {
    const problem = problemOf(error);
    await drain(c.req.raw, bytes, seconds);
    if (!problem) {
      log.error({ err: error, requestId: c.var.requestId }, 'a request failed');
      return c.json({ error: `the server failed; its log tells more under ${c.var.requestId}` }, 500);
    }
    if (problem.retryAfter !== undefined) c.header('retry-after', String(problem.retryAfter));
    if (problem.status === 401) c.header('www-authenticate', 'Bearer');
    return c.json({ error: problem.message }, problem.status);
  });
  return app;
}

/** Gives each request its number and its time limit; writes what came of it to log and metrics. */
const observe =
  ({ log, metrics, settings, isReady }: Services): MiddlewareHandler<Context> =>
  async (c, next) => {
    const start = performance.now();
    const given = c.req.header('x-request-id') ?? '';
    const requestId = /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
    c.set('requestId', requestId);
    const limit = timeLimit(settings.limits.seconds, c.req.raw.signal);
    c.set('signal', limit.signal);
    await next();
    limit.release();
    c.header('x-request-id', requestId);
    c.header('x-content-type-options', 'nosniff');
    if (!isReady()) c.header('connection', 'close');
    const { status } = c.res;
    const ms = performance.now() - start;
    const route = routePath(c, -1);
    metrics.request(route.includes('*') ? 'other' : route, status, ms);
    const { method } = c.req;
    log.info({ requestId, method, route, status, ms: Math.round(10 * ms) / 10 }, 'request');
  };

/**
 * Aborts after so many seconds, or with another signal. Not by `AbortSignal.any` and `timeout`: Node 20 never frees what
 * has once listened to those.
 */
function timeLimit(seconds: number, other: AbortSignal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, 1000 * seconds);
  other.addEventListener('abort', abort);
  if (other.aborted) abort();
  const release = (): void => {
    clearTimeout(timer);
    other.removeEventListener('abort', abort);
  };
  return { signal: controller.signal, release };
}

/** Requests over connections that were open before: new ones are not accepted any more. */
const refuseWhenStopping =
  ({ isReady }: Services): MiddlewareHandler<Context> =>
  async (_c, next) => {
    if (!isReady()) throw new Problem(503, 'the server is shutting down', 5);
    await next();
  };

/** Pages may share memory between threads. */
const isolate: MiddlewareHandler<Context> = async (c, next) => {
  await next();
  c.header('cross-origin-opener-policy', 'same-origin');
  c.header('cross-origin-embedder-policy', 'require-corp');
};
