import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import type { LabelImage } from '../../src/data/image.js';
import { decodeImage } from '../../src/data/image.js';
import { shippedModel } from '../../src/model/load.js';
import { predict } from '../../src/predict.js';
import { drain } from '../../src/server/body.js';
import type { RunningServer } from '../../src/server/index.js';
import { paint, serve, street, temporaryFolder } from './support.js';

const { image, png } = await street(96, 160);
const expected = await predict(shippedModel, image, { device: wasmBackend, resize: 'own' });

const post = (server: RunningServer, url: string, body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(server.url + url, { method: 'POST', body, headers });

/** Label PNGs come back as grey pictures: one of three equal channels is the class. */
async function labelsOf(response: Response): Promise<LabelImage> {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'image/png');
  const { height, width, data } = await decodeImage(Buffer.from(await response.arrayBuffer()), 'answer');
  return { height, width, data: data.filter((_, i) => i % 3 === 0) };
}

test('a picture as bytes or in a form: label PNG, overlay, areas and run lengths as Accept says', async () => {
  const server = await serve();
  const own = '/v1/segment?size=own';
  assert.deepEqual(await labelsOf(await post(server, own, png)), expected);
  const form = new FormData();
  form.set('image', png, 'street.png');
  assert.deepEqual(await labelsOf(await post(server, own, form)), expected);

  const overlay = await post(server, own, png, { accept: 'image/jpeg, image/png;q=0.5' });
  assert.equal(overlay.headers.get('content-type'), 'image/jpeg');
  const shown = await decodeImage(Buffer.from(await overlay.arrayBuffer()), 'overlay');
  assert.deepEqual([shown.height, shown.width], [96, 160]);

  const json = await post(server, own, png, { accept: 'application/json' });
  const { classes, height, width } = (await json.json()) as {
    height: number;
    width: number;
    classes: { id: number; pixels: number; share: number; rle: { counts: string } }[];
  };
  assert.deepEqual([height, width], [96, 160]);
  const labels = new Uint8Array(height * width).fill(255);
  for (const { id, pixels, share, rle } of classes) {
    assert.ok(Math.abs(share - pixels / (height * width)) < 1e-6);
    const mask = paint(rle.counts, height, width);
    mask.forEach((inside, i) => {
      if (inside) labels[i] = id;
    });
  }
  assert.deepEqual(labels, expected.data);

  assert.equal((await post(server, own, png, { accept: 'text/html' })).status, 406);
});

test('a batch: one damaged picture does not hold up the others', async () => {
  const server = await serve();
  const form = new FormData();
  form.append('images', png, 'a.png');
  form.append('images', new Blob(['no picture']), 'b.png');
  form.append('images', png, 'c.png');
  const { results } = (await (await post(server, '/v1/segment/batch?size=own', form)).json()) as {
    results: { file: string; error?: string; classes?: unknown }[];
  };
  assert.deepEqual(
    results.map(({ file }) => file),
    ['a.png', 'b.png', 'c.png'],
  );
  assert.match(results[1].error!, /b\.png: cannot be decoded/);
  assert.deepEqual(results[0].classes, results[2].classes);
});

test('models come from a folder by name and version; a changed file is picked up, a broken one said', async () => {
  const models = temporaryFolder();
  copyFileSync(shippedModel, path.join(models, 'one.safetensors'));
  for (const version of ['2', '10']) {
    mkdirSync(path.join(models, 'two', version), { recursive: true });
    copyFileSync(shippedModel, path.join(models, 'two', version, 'model.safetensors'));
  }
  writeFileSync(path.join(models, 'broken.safetensors'), 'no model');
  const server = await serve({ models });
  const list = (await (await fetch(`${server.url}/v1/models`)).json()) as { models: object[] };
  assert.deepEqual(list.models, [
    { name: 'broken', version: '1', loaded: false },
    { name: 'one', version: '1', loaded: false },
    { name: 'two', version: '2', loaded: false },
    { name: 'two', version: '10', loaded: false },
  ]);
  const named = await fetch(`${server.url}/v1/models/two`);
  assert.equal(((await named.json()) as { version: string }).version, '10');

  const broken = await post(server, '/v1/segment?model=broken', png);
  assert.equal(broken.status, 422);
  const { error } = (await broken.json()) as { error: string };
  assert.match(error, /broken\.safetensors/);
  assert.ok(!error.includes(models), 'no path is told');
  assert.equal((await post(server, '/v1/segment?model=none', png)).status, 404);
  assert.equal((await post(server, '/v1/segment?model=two&version=3', png)).status, 404);

  copyFileSync(shippedModel, path.join(models, '.new'));
  renameSync(path.join(models, '.new'), path.join(models, 'broken.safetensors'));
  assert.deepEqual(await labelsOf(await post(server, '/v1/segment?model=broken&size=own', png)), expected);
});

test('limits: bytes, pixels, memory, parts; each with its status and one line', async () => {
  const server = await serve({
    limits: { bytes: 400_000, pixels: 300 * 300, memory: 3 * 2 ** 20, batch: 2 },
  });
  const problem = async (response: Response) => {
    const { error } = (await response.json()) as { error: string };
    assert.ok(!error.includes('\n'));
    return [response.status, error] as const;
  };
  const [large, huge] = [await street(300, 300), await street(301, 300)];
  assert.equal((await problem(await post(server, '/v1/segment', new Uint8Array(400_001))))[0], 413);
  assert.match(
    (await problem(await post(server, '/v1/segment', huge.png)))[1],
    /301×300 pixels, 90000 are the most/,
  );
  assert.equal((await problem(await post(server, '/v1/segment?size=own', large.png)))[0], 422);
  assert.match(
    (await problem(await post(server, '/v1/segment?size=own', large.png)))[1],
    /need \d+ MiB and this server has 3/,
  );
  const form = new FormData();
  for (let i = 0; i < 3; i++) form.append('images', new Blob(['x']), `${i}.png`);
  assert.equal((await problem(await post(server, '/v1/segment/batch', form)))[0], 413);
  assert.equal((await problem(await post(server, '/v1/segment', new Uint8Array(0))))[0], 400);
  assert.equal((await problem(await post(server, '/v1/segment?size=31x40', png)))[0], 422);
  assert.equal((await problem(await post(server, '/v1/segment?output=film', png)))[0], 400);
  // Chunks of unknown total length are counted as they come.
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
  });
  const request = { method: 'POST', body: endless, duplex: 'half' } as RequestInit;
  const outcome = await fetch(`${server.url}/v1/segment`, request).then(
    ({ status }) => status,
    () => 'cut off',
  );
  assert.ok(outcome === 413 || outcome === 'cut off', String(outcome));
  assert.deepEqual(await labelsOf(await post(server, '/v1/segment?size=96x160', png)), expected);
});

test('more pictures than may wait are answered with 429 and Retry-After, the others are done', async () => {
  const server = await serve({ limits: { waiting: 6 } });
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => post(server, '/v1/segment?size=512x1024', png)),
  );
  const statuses = answers.map(({ status }) => status);
  assert.ok(statuses.includes(429), statuses.join());
  assert.ok(statuses.filter((status) => status === 200).length >= 6, statuses.join());
  for (const answer of answers.filter(({ status }) => status === 429)) {
    assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  }
  assert.equal((await post(server, '/v1/segment', png)).status, 200);
});

test('who is refused while still sending sees why', async () => {
  const { hostname, port } = new URL((await serve()).url);
  const socket = connect(Number(port), hostname);
  socket.pause();
  const body = Buffer.alloc(2 ** 20);
  const half = body.length / 2;
  socket.write(
    `POST /v1/segment?model=none HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  socket.write(body.subarray(0, half));
  // Longer than a server waits that has answered already.
  await new Promise((resolve) => setTimeout(resolve, 900));
  socket.write(body.subarray(half));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once('error', reject).once('data', (data) => resolve(data.toString('latin1')));
    socket.resume();
  });
  socket.destroy();
  assert.match(answer, /^HTTP\/1\.1 404 /);
});

test('what is left of a refused body may come as slowly as a body that is wanted', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let source: ReadableStreamDefaultController<Uint8Array> | undefined;
  let left = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      source = controller;
    },
    cancel: () => {
      left = true;
    },
  });
  const request = new Request('http://localhost/', { method: 'POST', body, duplex: 'half' } as RequestInit);
  const drained = drain(request, 1 << 20, 30);
  t.mock.timers.tick(29_000);
  source!.enqueue(new Uint8Array(9));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!left);
  t.mock.timers.tick(2000);
  await drained;
  assert.ok(left);
});

test('pictures whose time is over before their turn are answered with 503', async () => {
  const server = await serve({ limits: { seconds: 0.3 } });
  const answers = await Promise.all(
    Array.from({ length: 24 }, () => post(server, '/v1/segment?size=768x1536', png)),
  );
  const late = answers.filter(({ status }) => status === 503);
  assert.ok(late.length > 0);
  assert.match(((await late[0].json()) as { error: string }).error, /time limit/);
});

test('arenas of many sizes stay within the budget', async () => {
  const memory = 24 * 2 ** 20;
  const server = await serve({ limits: { memory } });
  for (let side = 96; side < 400; side += 32) {
    assert.equal((await post(server, `/v1/segment?size=${side}x${side}`, png)).status, 200);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const held = Number(/^vnet_arena_bytes (\d+)$/m.exec(metrics)![1]);
    assert.ok(held > 0 && held <= memory, `${held}`);
  }
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /vnet_requests_total\{route="\/v1\/segment",status="200"\} 10/);
  assert.match(metrics, /vnet_pictures_total\{model="camvid",version="1"\} 10/);
  for (const stage of ['decode', 'queue', 'infer', 'encode']) {
    assert.match(metrics, new RegExp(`vnet_stage_seconds_count\\{stage="${stage}"\\} 10`));
  }
});

test('an answer names its request; an idle connection is left for the client to close', async () => {
  const server = await serve();
  const answered = async (id: string) =>
    (await fetch(`${server.url}/v2/health/live`, { headers: { 'x-request-id': id } })).headers;
  assert.equal((await answered('frame-1.a')).get('x-request-id'), 'frame-1.a');
  const headers = await answered('a"b');
  assert.match(headers.get('x-request-id')!, /^[0-9a-f-]{36}$/);
  // Proxies keep theirs for a minute; a request that meets the server's end gets no answer.
  assert.ok(Number(/timeout=(\d+)/.exec(headers.get('keep-alive') ?? '')?.[1]) > 60);
});

test('a token is asked for, except for health', async () => {
  const server = await serve({ token: 'secret' });
  assert.equal((await fetch(`${server.url}/v2/health/ready`)).status, 200);
  for (const url of ['/v1/models', '/v2/models/camvid', '/metrics']) {
    assert.equal((await fetch(server.url + url)).status, 401, url);
    const headers = { authorization: 'Bearer secret' };
    assert.equal((await fetch(server.url + url, { headers })).status, 200, url);
    assert.equal((await fetch(server.url + url, { headers: { authorization: 'Bearer other' } })).status, 401);
  }
});

test('CORS is off unless asked; names of other hosts are refused on loopback', async () => {
  const [plain, open] = [await serve(), await serve({ cors: ['https://example.org'] })];
  const headers = { origin: 'https://example.org' };
  const allowed = async (server: RunningServer) =>
    (await fetch(`${server.url}/v1/models`, { headers })).headers.get('access-control-allow-origin');
  assert.equal(await allowed(plain), null);
  assert.equal(await allowed(open), 'https://example.org');
  const status = await new Promise((resolve, reject) => {
    const request = { headers: { host: 'rebound.example' } };
    http
      .get(`${plain.url}/v1/models`, request, (response) => resolve(response.resume().statusCode))
      .on('error', reject);
  });
  assert.equal(status, 403);
});

test('a stop finishes what runs and takes nothing new', async () => {
  const server = await serve();
  const running = Array.from({ length: 4 }, () => post(server, '/v1/segment?size=512x1024', png));
  const metrics = async () => (await fetch(`${server.url}/metrics`)).text();
  while (!/^vnet_waiting 4$/m.test(await metrics())) await new Promise((resolve) => setTimeout(resolve, 5));
  const stopped = server.stop();
  const answers = await Promise.all(running);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const answered = performance.now();
  await stopped;
  assert.ok(performance.now() - answered < 3000, 'idle connections are not waited for');
  await assert.rejects(fetch(`${server.url}/v2/health/live`));
});

test('the document names every route, and its page shows them', async () => {
  const server = await serve();
  const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: object };
  const page = await (await fetch(`${server.url}/docs`)).text();
  for (const route of ['/v1/segment', '/v1/segment/batch', '/v1/models', '/v2/models/{name}/infer']) {
    assert.ok(route in document.paths, route);
    assert.ok(page.includes(route), route);
  }
  assert.equal((await fetch(`${server.url}/`)).url, `${server.url}/docs`);
});
