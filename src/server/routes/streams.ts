import type { OpenAPIHono } from '@hono/zod-openapi';
import { createRoute, z } from '@hono/zod-openapi';
import { admit } from '../guards.js';
import { livePage } from '../livePage.js';
import { Problem } from '../problem.js';
import type { Context, Services } from '../services.js';
import { bodyOf } from '../video/answer.js';
import type { LiveFrame } from '../video/live.js';
import { errors, jsonOf } from './schemas.js';

const state = z.object({
  name: z.string(),
  viewers: z.number().int(),
  running: z.boolean(),
  frames: z.number().int(),
  framesPerSecond: z.number(),
  latencyMs: z.number(),
  dropped: z.number().int(),
  reconnects: z.number().int(),
  damaged: z.number().int(),
  problem: z.string().optional(),
});

const list = createRoute({
  method: 'get',
  path: '/v1/streams',
  summary: 'The live streams and how they do',
  responses: { 200: jsonOf('All of them', z.object({ streams: z.array(state) })), ...errors(401) },
});

const boundary = 'frame';
const single = createRoute({
  method: 'get',
  path: '/v1/streams/{name}',
  summary: 'Watch a live stream',
  description:
    'The newest frame whenever the one before has been taken: its overlay, as motion JPEG that an `<img>`, VLC or ffplay shows, or a line of JSON with the share of each class. A stream is computed once for all who watch, and only while somebody does.',
  request: {
    params: z.object({ name: z.string().max(100) }),
    query: z.object({ output: z.enum(['overlay', 'json']).default('overlay') }),
  },
  responses: {
    200: {
      description: 'Until the client leaves',
      content: {
        [`multipart/x-mixed-replace; boundary=${boundary}`]: { schema: { type: 'string', format: 'binary' } },
        'application/x-ndjson': { schema: { type: 'string' } },
      },
    },
    ...errors(401, 404, 503),
  },
});

export function streamRoutes(app: OpenAPIHono<Context>, { live, log, settings }: Services): void {
  app.openapi(list, (c) => c.json({ streams: [...live.values()].map((stream) => stream.state) }, 200));

  app.openapi(single, async (c) => {
    const { name } = c.req.valid('param');
    const stream = live.get(name);
    if (!stream) {
      const known = [...live.keys()].join(', ') || 'none: the server was started without one';
      throw new Problem(404, `no stream '${name.slice(0, 40)}' here; streams are: ${known}`);
    }
    const leave = new AbortController();
    const frames = stream.frames(leave.signal);
    const onAbort = (): void => leave.abort();
    c.req.raw.signal.addEventListener('abort', onAbort);
    // A stream that cannot be had is said with a status.
    const first = await frames.next().catch((error: unknown) => {
      c.req.raw.signal.removeEventListener('abort', onAbort);
      throw error;
    });
    const json = c.req.valid('query').output === 'json';
    const pieces = json
      ? piecesOf(first.value ?? undefined, frames, lineOf)
      : piecesOf(first.value ?? undefined, frames, partOf, Buffer.from(`--${boundary}\r\n`));
    const body = bodyOf(pieces, 1000 * settings.limits.seconds, (error) => {
      leave.abort();
      c.req.raw.signal.removeEventListener('abort', onAbort);
      frames.return(undefined).catch(() => undefined);
      if (error !== undefined && !(error instanceof Problem)) {
        log.error({ err: error, requestId: c.var.requestId }, 'a live stream failed');
      }
    });
    const type = json ? 'application/x-ndjson' : `multipart/x-mixed-replace; boundary=${boundary}`;
    return c.body(body, 200, { 'content-type': type, 'cache-control': 'no-store' }) as never;
  });

  const page = (problem?: string): string =>
    livePage([...live.keys()], settings.token !== undefined, problem);
  app.get('/streams', (c) => c.html(page()));
  app.post('/streams', async (c) => {
    const { token } = settings;
    const length = Number(c.req.header('content-length') ?? Number.NaN);
    if (!(length <= 4096)) throw new Problem(413, 'expected a form with the token');
    const given = new URLSearchParams(await c.req.text()).get('token') ?? '';
    if (token !== undefined && !admit(c, token, given)) return c.html(page('That is not the token.'), 401);
    return c.redirect('/streams', 303);
  });
}

async function* piecesOf(
  first: LiveFrame | undefined,
  rest: AsyncGenerator<LiveFrame, void>,
  encode: (frame: LiveFrame) => Uint8Array,
  opening?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  if (opening) yield opening;
  if (first) yield encode(first);
  for await (const frame of rest) yield encode(frame);
}

const lineOf = ({ jpeg: _, ...frame }: LiveFrame): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(frame)}\n`);

/** A part with the boundary after it, so that a browser shows the frame at once. */
function partOf({ jpeg, index, latencyMs }: LiveFrame): Uint8Array {
  const head = `Content-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\nX-Frame: ${index}\r\nX-Latency-Ms: ${latencyMs.toFixed(1)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), jpeg, Buffer.from(`\r\n--${boundary}\r\n`, 'latin1')]);
}
