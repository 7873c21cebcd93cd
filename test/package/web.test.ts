/**
 * The package as it is packed, in a page: bundled by what people use, opened in headless Chromium, with the labels of Node
 * on a picture; on a page that is isolated (threads), on one that is not, and on WebGPU's software adapter.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build as esbuild } from 'esbuild';
import type { Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import ts from 'typescript';
import { build as vite } from 'vite';
import webpack from 'webpack';
import { encodeRgbPng, readImage } from '../../src/data/image.js';
import { predict, renderScene, shippedModel } from '../../src/index.js';
import { executablePath, hasChromium } from '../browser/serve.js';
import { testData } from '../interop/data.js';
import { installPacked } from './packed.js';
import { typeErrors } from './types.js';

const skip = hasChromium ? false : 'no Chromium (install it, or set CHROMIUM to its path)';
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-web-'));
const app = path.join(folder, 'app');
const at = (...names: string[]) => path.join(app, ...names);
let installed: string;
after(() => rmSync(folder, { recursive: true, force: true }));

const main = `import { Segmenter } from 'vnet-segmentation';
import type { SegmenterOptions } from 'vnet-segmentation';

let held: Segmenter | undefined;

async function run(options: SegmenterOptions, url: string) {
  const segmenter = await Segmenter.load(options);
  held = segmenter;
  const image = new Image();
  image.src = url;
  const segmentation = await segmenter.segment(image);
  const overlay: ImageData = segmentation.overlay({ opacity: 0.4 });
  return { labels: [...segmentation.labels], device: segmenter.device, overlay: overlay.data.length };
}

/** Draws with what \`run\` loaded. @returns of each case, the share of pixels that are those of \`overlay\`. */
async function draws(url: string) {
  await using segmenter = held!;
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const { width, height } = bitmap;
  const segmentation = await segmenter.segment(bitmap);
  const plain = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  const alike = (drawn: CanvasImageSource, wanted: ImageData, most: number): number => {
    plain.clearRect(0, 0, width, height);
    plain.drawImage(drawn, 0, 0);
    const { data } = plain.getImageData(0, 0, width, height);
    const near = (i: number) => Math.abs(data[i] - wanted.data[i]) <= most;
    const pixels = Array.from({ length: width * height }, (_, p) => [0, 1, 2, 3].every((c) => near(4 * p + c)));
    return pixels.filter(Boolean).length / pixels.length;
  };
  const still = Object.assign(document.createElement('canvas'), { width, height });
  const drawing = still.getContext('2d')!;
  const video = Object.assign(document.createElement('video'), { muted: true, srcObject: still.captureStream() });
  const timer = setInterval(() => drawing.drawImage(bitmap, 0, 0), 50);
  await video.play();
  const frame = new VideoFrame(bitmap, { timestamp: 0 });
  const only = [segmentation.classAt(0, 0).name];
  const cases = [
    ['ImageBitmap', bitmap, { opacity: 0.4 }],
    ['VideoFrame', frame, { opacity: 0.4 }],
    ['HTMLVideoElement', video, { opacity: 0.4 }],
    ['one class', still, { opacity: 1, only }],
    ['mask', bitmap, { opacity: 1, only, picture: false }],
  ] as const;
  const results: Record<string, number> = {};
  const canvas = new OffscreenCanvas(1, 1);
  for (const [name, source, look] of cases) {
    await segmenter.draw(source, canvas, look);
    // A video has other pixels than the picture: its colours come at half the resolution.
    const most = source === video ? 40 : 4;
    results[name] = alike(canvas.transferToImageBitmap(), segmentation.overlay(look), most);
  }
  await segmenter.draw(frame, canvas, { opacity: 1 });
  const made = new VideoFrame(canvas, { timestamp: 7 });
  results['as a VideoFrame'] = alike(made, segmentation.overlay({ opacity: 1 }), 4);
  made.close();
  clearInterval(timer);
  frame.close();
  const inTwoDimensions = canvas.getContext('2d') !== null;
  const taken = document.createElement('canvas');
  taken.getContext('webgl');
  return { results, inTwoDimensions, refused: await segmenter.draw(bitmap, taken).then(() => '', String) };
}
Object.assign(globalThis, { run, draws });
`;

/** Labels of Node by picture; the small one is for the software adapter, which compiles for minutes. */
const expected: Record<string, Uint8Array> = {};

before(async () => {
  ({ installed } = await installPacked(app));
  writeFileSync(at('main.ts'), main);
  writeFileSync(
    at('index.html'),
    '<!doctype html><title>app</title><script type="module" src="/main.ts"></script>',
  );
  const real = testData('camvid/val');
  const picture = real
    ? await readImage(path.join(real, readdirSync(real).sort()[0]))
    : renderScene(2, 0, 180, 240).image;
  writeFileSync(at('picture.png'), await encodeRgbPng(picture));
  expected['picture.png'] = (await predict(shippedModel, picture)).data;
  const small = { width: 96, height: 64, data: new Uint8Array(96 * 64 * 3) };
  for (let y = 0; y < 64; y++) {
    const from = (y + 60) * picture.width * 3;
    small.data.set(picture.data.subarray(from, from + 96 * 3), y * 96 * 3);
  }
  writeFileSync(at('small.png'), await encodeRgbPng(small));
  expected['small.png'] = (await predict(shippedModel, small)).data;
});

test('its types compile in a strict project for the browser, each of its declarations checked', () => {
  const options = {
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    customConditions: ['browser'],
  };
  assert.deepEqual(typeErrors(app, 'main.ts', options), []);
});

test('in headless Chromium, the labels of Node', { skip }, async (t) => {
  await t.test('Vite', async () => {
    const out = path.join(folder, 'vite');
    await vite({ root: app, logLevel: 'error', build: { outDir: out, emptyOutDir: true } });
    const scripts = readdirSync(path.join(out, 'assets')).filter((name) => name.endsWith('.js'));
    const texts = await Promise.all(scripts.map((name) => readFile(path.join(out, 'assets', name), 'utf8')));
    assert.ok(
      texts.every((text) => !/ZodError|libvips|node:fs/.test(text)),
      'nothing of zod, sharp or Node',
    );
    const small = (fetched: number, where: string) => {
      t.diagnostic(`JavaScript that a page fetches for inference on ${where}: ${fetched} bytes, gzipped`);
      assert.ok(fetched > 10_000 && fetched <= 60_000, `${fetched} bytes`);
    };
    const two = { device: 'wasm', threads: 2 };
    small(await same(out, { isolated: true }, two, { name: 'wasm', threads: 2 }), 'CPU cores');
    await same(out, { isolated: true }, {}, { name: 'wasm' });
    const asked = new Map<string, number>();
    await inPage(
      out,
      { isolated: true, webgpu: true },
      async (page) => {
        const onGpu = () => sameIn(page, 'small.png', 'WebGPU', { gpu: 'swiftshader' }, { name: 'webgpu' });
        await onGpu();
        small(
          [...asked.values()].reduce((sum, bytes) => sum + bytes, 0),
          'WebGPU',
        );
        // What is loaded again compiles nothing again.
        await page.evaluate(() => {
          GPUDevice.prototype.createComputePipelineAsync = () => Promise.reject(new Error('compiled again'));
        });
        await onGpu();
        await drawsAlike(page, true);
      },
      (name, content) => asked.set(name, gzipSync(content, { level: 9 }).length),
    );
    await inPage(out, { isolated: false }, async (page) => {
      await sameIn(page, 'picture.png', 'one thread', { device: 'wasm' }, { name: 'wasm', threads: 1 });
      await drawsAlike(page, false);
    });
  });

  await t.test('webpack', async () => {
    const output = { path: path.join(folder, 'webpack'), filename: 'main.js', publicPath: 'auto' };
    writeFileSync(
      at('main.js'),
      ts.transpileModule(main, { compilerOptions: { target: ts.ScriptTarget.ES2022 } }).outputText,
    );
    const compiler = webpack({
      context: app,
      entry: './main.js',
      mode: 'production',
      target: 'web',
      output,
      optimization: { minimize: false },
    });
    await new Promise<void>((resolve, reject) =>
      compiler!.run((error, stats) => {
        if (error || stats?.hasErrors()) reject(error ?? new Error(stats?.toString('errors-only')));
        else compiler!.close(() => resolve());
      }),
    );
    writeFileSync(
      path.join(output.path, 'index.html'),
      '<!doctype html><title>app</title><script src="/main.js"></script>',
    );
    await same(output.path, { isolated: true }, { device: 'wasm', threads: 2 }, { name: 'wasm', threads: 2 });
  });

  await t.test('esbuild, which does not follow addresses: the folder of assets is copied', async () => {
    const out = path.join(folder, 'esbuild');
    await esbuild({
      entryPoints: [at('main.ts')],
      bundle: true,
      format: 'esm',
      target: 'es2022',
      outfile: path.join(out, 'main.js'),
      logLevel: 'silent',
    });
    cpSync(path.join(installed, 'build/assets'), path.join(out, 'vnet'), { recursive: true });
    writeFileSync(
      path.join(out, 'index.html'),
      '<!doctype html><title>app</title><script type="module" src="/main.js"></script>',
    );
    await same(
      out,
      { isolated: true },
      { device: 'wasm', threads: 2, assets: '/vnet/' },
      { name: 'wasm', threads: 2 },
    );
    const [noModel, noKernels] = await inPage(out, { isolated: true }, (page) =>
      page.evaluate(async () => {
        const model = new Uint8Array(await (await fetch('/vnet/vnet-camvid.safetensors')).arrayBuffer());
        const options = { device: 'wasm', assets: '/nowhere' };
        const refused = (given: object) => globalThis.run(given, '/small.png').then(() => '', String);
        return [await refused(options), await refused({ ...options, model })];
      }),
    );
    assert.match(
      noKernels,
      /nowhere\/(relaxed|plain)\.wasm: the server answered with an HTML page, expected WebA/,
    );
    assert.match(
      noModel,
      /UserError: http:\S+\/nowhere\/vnet-camvid\.safetensors: the server answered with an HTML page, expected a model/,
    );
    await inPage(out, { isolated: false }, bytesAndOrigins);
  });
});

test('in a service worker, which may not fetch code later, the labels of Node', { skip }, async () => {
  const out = path.join(folder, 'service-worker');
  writeFileSync(
    at('worker.js'),
    `import { Segmenter } from 'vnet-segmentation/service-worker';
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('message', ({ data, source }) => {
  const work = async () => {
    const segmenter = await Segmenter.load({ assets: '/vnet/' });
    const { labels } = await segmenter.segment(data);
    source.postMessage({ labels: [...labels], device: segmenter.device });
  };
  work().catch((error) => source.postMessage({ error: String(error) }));
});`,
  );
  // In parts, as bundlers make them of `import()`: what the worker needs must come by `import` alone.
  await esbuild({
    ...{ entryPoints: [at('worker.js')], bundle: true, splitting: true, format: 'esm', target: 'es2022' },
    ...{ outdir: out, conditions: ['browser'], logLevel: 'silent' },
  });
  assert.ok(readdirSync(out).length > 1, 'parts');
  cpSync(path.join(installed, 'build/assets'), path.join(out, 'vnet'), { recursive: true });
  writeFileSync(path.join(out, 'index.html'), '<!doctype html><title>app</title><script>run = 1</script>');
  const answer = await inPage(out, { isolated: false }, (page) =>
    page.evaluate(async () => {
      await navigator.serviceWorker.register('/worker.js', { type: 'module' });
      const { active } = await navigator.serviceWorker.ready;
      const picture = await createImageBitmap(await (await fetch('/picture.png')).blob());
      const heard = new Promise<Answer>((resolve) => {
        navigator.serviceWorker.addEventListener('message', ({ data }) => resolve(data));
      });
      navigator.serviceWorker.startMessages();
      active!.postMessage(picture, [picture]);
      return heard;
    }),
  );
  assert.equal(answer.error, undefined);
  const wanted = expected['picture.png'];
  assert.equal(answer.labels.length, wanted.length);
  const equal = answer.labels.filter((id, i) => id === wanted[i]).length;
  assert.ok(equal >= 0.999 * wanted.length, `${equal} of ${wanted.length} labels agree`);
  const { name, threads } = answer.device;
  assert.deepEqual([name, threads], ['wasm', 1]);
});

test('in the service worker of an extension (Manifest V3), the labels of Node', { skip }, async () => {
  const out = path.join(folder, 'extension');
  writeFileSync(
    at('background.js'),
    `import { Segmenter } from 'vnet-segmentation/service-worker';
globalThis.segment = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const segmenter = await Segmenter.load({ assets: chrome.runtime.getURL('vnet/') });
  const { labels } = await segmenter.segment(new Blob([bytes]));
  return { labels: [...labels], device: segmenter.device };
};`,
  );
  await esbuild({
    ...{ entryPoints: [at('background.js')], bundle: true, format: 'esm', target: 'es2022' },
    ...{ outdir: out, conditions: ['browser'], logLevel: 'silent' },
  });
  cpSync(path.join(installed, 'build/assets'), path.join(out, 'vnet'), { recursive: true });
  const manifest = {
    manifest_version: 3,
    name: 'VNet',
    version: '1.0',
    background: { service_worker: 'background.js', type: 'module' },
    content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'" },
  };
  writeFileSync(path.join(out, 'manifest.json'), JSON.stringify(manifest));
  const context = await chromium.launchPersistentContext(path.join(folder, 'profile'), {
    executablePath,
    ignoreDefaultArgs: ['--disable-extensions'],
    args: ['--no-sandbox', `--disable-extensions-except=${out}`, `--load-extension=${out}`],
  });
  try {
    const [worker = await context.waitForEvent('serviceworker', { timeout: 60_000 })] =
      context.serviceWorkers();
    assert.match(worker.url(), /^chrome-extension:/);
    const answer = await worker.evaluate(
      (picture) =>
        (globalThis as unknown as { segment: (base64: string) => Promise<Answer> }).segment(picture),
      (await readFile(at('picture.png'))).toString('base64'),
    );
    const wanted = expected['picture.png'];
    const equal = answer.labels.filter((id, i) => id === wanted[i]).length;
    assert.ok(equal >= 0.999 * wanted.length, `${equal} of ${wanted.length} labels agree`);
    assert.deepEqual([answer.device.name, answer.device.threads], ['wasm', 1]);
  } finally {
    await context.close();
  }
});

interface Answer {
  readonly labels: number[];
  readonly device: { readonly name: string; readonly threads?: number };
  readonly error?: string;
}

interface Serving {
  readonly isolated: boolean;
  readonly webgpu?: boolean;
}
declare global {
  var draws: (
    url: string,
  ) => Promise<{ results: Record<string, number>; inTwoDimensions: boolean; refused: string }>;
  var run: (options: object, url: string) => Promise<{ labels: number[]; device: object; overlay: number }>;
}

/** @returns bytes of scripts that the page fetched, gzipped. */
async function same(out: string, serving: Serving, options: object, device: object): Promise<number> {
  const scripts = new Map<string, number>();
  const label = `${path.basename(out)} ${JSON.stringify({ ...serving, ...options })}`;
  await inPage(
    out,
    serving,
    (page) => sameIn(page, 'picture.png', label, options, device),
    (name, content) => scripts.set(name, gzipSync(content, { level: 9 }).length),
  );
  return [...scripts.values()].reduce((sum, bytes) => sum + bytes, 0);
}

async function sameIn(
  page: Page,
  picture: string,
  label: string,
  options: object,
  device: object,
): Promise<void> {
  const result = await page.evaluate(([given, name]) => globalThis.run(given, name), [
    options,
    `/${picture}`,
  ] as const);
  const wanted = expected[picture];
  const equal = result.labels.filter((id, i) => id === wanted[i]).length;
  assert.equal(result.labels.length, wanted.length, label);
  assert.ok(equal >= 0.999 * wanted.length, `${label}: ${equal} of ${wanted.length} labels agree`);
  assert.equal(result.overlay, 4 * wanted.length);
  for (const [key, value] of Object.entries(device))
    assert.equal((result.device as Record<string, unknown>)[key], value, label);
}

/** Frames of every kind are drawn as `overlay` has them, and a canvas comes back as a bitmap and as a frame. */
async function drawsAlike(page: Page, onGpu: boolean): Promise<void> {
  const { results, inTwoDimensions, refused } = await page.evaluate(() => globalThis.draws('/small.png'));
  const names = ['ImageBitmap', 'VideoFrame', 'HTMLVideoElement', 'one class', 'mask', 'as a VideoFrame'];
  assert.deepEqual(Object.keys(results), names);
  for (const [name, share] of Object.entries(results)) {
    assert.ok(share >= (name === 'HTMLVideoElement' ? 0.9 : 0.99), `${name}: ${share} of the pixels agree`);
  }
  assert.equal(inTwoDimensions, !onGpu, 'what the canvas was drawn on by');
  assert.match(refused, /^UserError: draw: the canvas has a context of another kind/);
}

/** Kernels and model as bytes, one warning about threads however often, and one line about files of another origin. */
async function bytesAndOrigins(page: Page): Promise<void> {
  const warnings: string[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  const [first, again] = await page.evaluate(async () => {
    const bytes = async (name: string) => new Uint8Array(await (await fetch(`/vnet/${name}`)).arrayBuffer());
    const [wasm, model] = [await bytes('plain.wasm'), await bytes('vnet-camvid.safetensors')];
    const options = { device: 'wasm', threads: 2, assets: '/nowhere', wasm, model };
    const before = await globalThis.run(options, '/small.png');
    // What is loaded again compiles nothing again.
    WebAssembly.compile = () => Promise.reject(new Error('compiled again'));
    return [before, await globalThis.run(options, '/small.png')];
  });
  const wanted = expected['small.png'];
  const equal = first.labels.filter((id, i) => id === wanted[i]).length;
  assert.ok(equal >= 0.999 * wanted.length, `${equal} of ${wanted.length} labels agree`);
  assert.deepEqual(again.labels, first.labels);
  assert.equal(warnings.length, 1, warnings.join('\n'));
  assert.match(
    warnings[0],
    /2 threads were asked for, but this page is not cross-origin isolated; one thread/,
  );
  const message = await page.evaluate(() =>
    globalThis
      .run({ device: 'wasm', assets: `http://localhost:${location.port}/vnet` }, '/small.png')
      .then(() => '', String),
  );
  assert.match(
    message,
    /^UserError: http:\/\/localhost:\d+\/vnet\/vnet-camvid\.safetensors: cannot be fetched \(.*CORS\), .* by `assets`$/,
  );
}

/** Serves a folder; what is not there is answered with a page, as servers of apps do. */
async function inPage<T>(
  out: string,
  { isolated, webgpu }: Serving,
  work: (page: Page) => Promise<T>,
  asked: (script: string, content: Buffer) => void = () => undefined,
): Promise<T> {
  const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer(async (request, response) => {
    if (isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    const name = request.url === '/' ? '/index.html' : request.url!;
    const file = name.endsWith('.png') ? at(name) : path.join(out, path.normalize(name));
    const found = existsSync(file) ? file : path.join(out, 'index.html');
    response.setHeader('Content-Type', types[path.extname(found)] ?? 'application/octet-stream');
    const content = await readFile(found);
    if (found.endsWith('.js')) asked(found, content);
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const gpu = [
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
    // Canvases and videos reach WebGPU's software adapter where the browser itself draws by Vulkan's.
    ...['--enable-features=Vulkan', '--use-vulkan=swiftshader', '--use-angle=swiftshader'],
    '--enable-dawn-features=disable_workgroup_init',
  ];
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', ...(webgpu ? gpu : [])] });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(300_000);
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => 'run' in globalThis);
    return await work(page);
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
}
