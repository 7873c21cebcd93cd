/** The page from a plain folder, below the root of a host that sets no headers, in headless Chromium. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type Axe from 'axe-core';
import type { BrowserContext, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { build } from 'vite';
import { executablePath } from './serve.js';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
  wasm: 'application/wasm',
};
/** A folder below the root of the host: the page may lie anywhere. */
const place = '/somewhere/';

/** The page over HTTP. */
export interface Host {
  readonly address: string;
  /** Requests so far, without those for the service worker. */
  readonly requests: () => number;
  close(): void;
}

/** Builds the page into a folder. */
export async function buildSite(outDir: string): Promise<void> {
  await build({
    configFile: path.join(root, 'web/vite.config.ts'),
    build: { outDir, emptyOutDir: true },
    logLevel: 'warn',
  });
}

/** Builds the page and serves it. */
export async function hostSite(): Promise<Host> {
  const folder = mkdtempSync(path.join(tmpdir(), 'vnet-site-'));
  await buildSite(path.join(folder, 'site'));
  let requests = 0;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://host');
    // Browsers look for a newer service worker by themselves.
    if (!url.pathname.endsWith('/sw.js')) requests++;
    const name = url.pathname.startsWith(place) ? url.pathname.slice(place.length) || 'index.html' : '-';
    const file = path.join(folder, 'site', name);
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const type = types[path.extname(file).slice(1)] ?? 'application/octet-stream';
    response.setHeader('Content-Type', type).end(readFileSync(file));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}${place}`,
    requests: () => requests,
    close() {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** WebGPU by a software adapter, for videos and canvases too. */
const softwareGpu = [
  ...['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  ...['--enable-features=Vulkan', '--use-vulkan=swiftshader', '--use-angle=swiftshader'],
  '--enable-dawn-features=disable_workgroup_init',
  // Its process may be ended any number of times.
  ...['--disable-gpu-process-crash-limit', '--disable-domain-blocking-for-3d-apis'],
];
const fakeCamera = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** Headless Chromium with what it keeps in a folder, so that it can be closed and opened again. */
export async function openChromium(kept: string, { gpu = false } = {}): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(kept, {
    executablePath,
    viewport: { width: 1200, height: 860 },
    args: [
      ...['--no-sandbox', '--no-first-run', '--disable-background-networking', ...fakeCamera],
      ...(gpu ? softwareGpu : ['--disable-gpu']),
    ],
  });
  await context.grantPermissions(['camera']);
  await context.addInitScript(hookWorkers);
  if (gpu) await context.addInitScript(dressGpu);
  return context;
}

declare global {
  var axe: typeof Axe;
  /** Whether WebGPU's software adapter looks like a graphics card (see {@link dressGpu}). */
  var hasCard: boolean | undefined;
  /** What workers run first that the page makes from then on. */
  var inWorkers: string | undefined;
  var wholeMemory: typeof WebAssembly.Memory | undefined;
  var drawn: typeof requestAnimationFrame | undefined;
}

function hookWorkers(): void {
  globalThis.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      const first = globalThis.inWorkers;
      const parts = [`data:text/javascript,${encodeURIComponent(first ?? '')}`, String(url)];
      const code = parts.map((part) => `import ${JSON.stringify(part)};`).join('');
      super(first ? URL.createObjectURL(new Blob([code], { type: 'text/javascript' })) : url, options);
    }
  };
}

/** Lets the software adapter look like a graphics card while `hasCard` is true, and tells when it is about to be used. */
export function dressGpu(): void {
  if (!('GPUAdapterInfo' in globalThis)) return;
  const card = { vendor: '', architecture: '', device: '', description: 'A card', isFallbackAdapter: false };
  for (const [name, looks] of Object.entries(card)) {
    const { get } = Object.getOwnPropertyDescriptor(GPUAdapterInfo.prototype, name)!;
    Object.defineProperty(GPUAdapterInfo.prototype, name, {
      get(this: GPUAdapterInfo) {
        return globalThis.hasCard ? looks : get!.call(this);
      },
    });
  }
  const compile = GPUDevice.prototype.createComputePipelineAsync;
  GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
    new BroadcastChannel('gpu').postMessage('compiles');
    return compile.call(this, descriptor);
  };
}

/** Puts the tab in the background as pages are told of it, or in front again. No frame is drawn there. */
export const putBehind = (page: Page, hidden: boolean): Promise<void> =>
  page.evaluate((is) => {
    Object.defineProperty(document, 'hidden', { value: is, configurable: true });
    globalThis.drawn ??= requestAnimationFrame;
    globalThis.requestAnimationFrame = is ? () => 0 : globalThis.drawn;
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

/** Makes memory of kernels end at so many bytes, or as it is. */
export const limitMemory = (page: Page, bytes: number): Promise<void> =>
  page.evaluate((most) => {
    globalThis.wholeMemory ??= WebAssembly.Memory;
    WebAssembly.Memory = class extends globalThis.wholeMemory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        if (2 ** 16 * descriptor.initial > most) throw new RangeError('could not allocate memory');
        super(descriptor);
      }
    };
  }, bytes);

/** What bars people from a page as it is now, by the rules of WCAG and good practice that axe checks; nothing where nothing does. */
export async function barriers(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) {
    await page.addScriptTag({ path: path.join(root, 'node_modules/axe-core/axe.min.js') });
  }
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run({ resultTypes: ['violations'] });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary}`),
    );
  });
}

/** Waits for a problem on the page, and puts it away. */
export async function says(page: Page, pattern: RegExp): Promise<void> {
  // Not by frames: a browser draws none for seconds after its GPU process was ended, while what is tested goes on.
  await page.waitForFunction(
    ([source, flags]) => {
      const alerts = [...document.querySelectorAll('[role="alert"] *')];
      return alerts.some(({ textContent }) => new RegExp(source, flags).test(textContent ?? ''));
    },
    [pattern.source, pattern.flags] as const,
    { polling: 50 },
  );
  await page.getByRole('button', { name: 'Dismiss' }).dispatchEvent('click');
}

/** Opens the page, isolated by its service worker. @param complaints takes errors that nobody caught. */
export async function openSite(
  context: BrowserContext,
  { address }: Host,
  complaints: string[],
): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol === 'http:' || protocol === 'https:')
      assert.equal(host, new URL(address).host, request.url());
  });
  await page.goto(address);
  await page.waitForFunction(() => crossOriginIsolated && document.querySelector('[role="tab"]') !== null);
  return page;
}
