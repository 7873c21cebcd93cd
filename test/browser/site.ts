/** The page from a plain folder, below the root of a host that sets no headers, in headless Chromium. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
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

/** Headless Chromium with what it keeps in a folder, so that it can be closed and opened again. */
export const openChromium = (kept: string, args: readonly string[] = []): Promise<BrowserContext> =>
  chromium.launchPersistentContext(kept, {
    executablePath,
    viewport: { width: 1200, height: 860 },
    args: [
      ...['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
      ...args,
    ],
  });

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
