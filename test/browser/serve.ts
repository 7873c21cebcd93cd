/** The built project over HTTP on this machine, and headless Chromium with WebGPU on its software adapter. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';

const built = fileURLToPath(new URL('../..', import.meta.url));
/** Of packages, what a page asks for under `/npm/`. */
const modules = fileURLToPath(new URL('../../../node_modules/', import.meta.url));
export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const hasChromium = existsSync(executablePath);

const page = `<!doctype html><title>vnet</title>
<script type="importmap">{"imports": {"valibot": "/npm/valibot/dist/index.mjs", "@noble/hashes/": "/npm/@noble/hashes/", "@petamoriken/float16": "/npm/@petamoriken/float16/src/index.mjs", "#devices": "/src/devices/browser.js", "#sources": "/src/segmenter/browser.js", "#jpeg": "/src/data/augment/jpeg.browser.js", "#verify": "/src/graph/verify.browser.js", "#sha256": "/src/model/sha256.browser.js", "node:assert/strict": "/assert.js"}}</script>`;

/** What the parity harness needs of Node, so that the very cases of the other backends run in the page. */
const assertModule = `
const fail = (message) => { throw new Error(message); };
const equal = (a, b, message) => { if (!Object.is(a, b)) fail(\`\${message ?? ''}: \${a}, expected \${b}\`); };
const deepEqual = (a, b, message) => equal(JSON.stringify(a), JSON.stringify(b), message);
const ok = (value, message) => { if (!value) fail(message); };
export default Object.assign(ok, { fail, equal, deepEqual, ok });`;

/** Opens an empty page from which `/src/browser.js` can be imported. */
export async function openPage(): Promise<{ page: Page; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const url = request.url ?? '/';
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    if (url === '/') {
      response.setHeader('Content-Type', 'text/html').end(page);
      return;
    }
    if (url === '/assert.js') {
      response.setHeader('Content-Type', 'text/javascript').end(assertModule);
      return;
    }
    const file = url.startsWith('/npm/')
      ? path.join(modules, path.normalize(url.slice(4)))
      : path.join(built, path.normalize(url));
    try {
      response.setHeader('Content-Type', 'text/javascript').end(await readFile(file));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    server.close();
    server.closeAllConnections();
  };
  try {
    browser = await chromium.launch({
      executablePath,
      args: [
        ...['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
        // As in Node: most of the time that the software adapter compiles.
        '--enable-dawn-features=disable_workgroup_init',
        ...['--disable-quic', '--no-first-run', '--disable-background-networking'],
        ...['--disable-component-update', '--disable-sync'],
      ],
    });
    const opened = await browser.newPage();
    await opened.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return { page: opened, close };
  } catch (error) {
    await close();
    throw error;
  }
}
