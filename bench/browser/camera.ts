/** The page's camera view with a video file as camera: frames a second from the camera to the overlay. */
import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build } from 'vite';
import { renderScene } from '../../src/index.js';
import { serveFiles } from './serve.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const [width, height, fps] = [640, 480, 30];

/** Y'CbCr 4:2:0 in the container of mjpegtools, which Chromium takes for a camera. */
function writeVideo(file: string, frames: number): void {
  const handle = openSync(file, 'w');
  writeSync(handle, `YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420\n`);
  for (let i = 0; i < frames; i++) {
    const { data } = renderScene(4, i, height, width).image;
    const planes = new Uint8Array((width * height * 3) / 2);
    const [cb, cr] = [width * height, (width * height * 5) / 4];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const p = y * width + x;
        const [r, g, b] = data.subarray(3 * p, 3 * p + 3);
        // BT.601, studio range.
        planes[p] = 16 + (65.738 * r + 129.057 * g + 25.064 * b) / 256;
        if ((x | y) & 1) continue;
        const c = (y / 2) * (width / 2) + x / 2;
        planes[cb + c] = 128 + (-37.945 * r - 74.494 * g + 112.439 * b) / 256;
        planes[cr + c] = 128 + (112.439 * r - 94.154 * g - 18.285 * b) / 256;
      }
    }
    writeSync(handle, 'FRAME\n');
    writeSync(handle, planes);
  }
  closeSync(handle);
}

/** @param seconds of video that are watched. @returns the page's own rate, once a second. */
export async function cameraRate(executablePath: string, folder: string, seconds: number): Promise<number[]> {
  const video = path.join(folder, 'camera.y4m');
  writeVideo(video, 24);
  const site = path.join(folder, 'site');
  await build({
    configFile: path.join(root, 'web/vite.config.ts'),
    build: { outDir: site, emptyOutDir: true },
    logLevel: 'error',
  });
  const server = await serveFiles((name) => path.join(site, name));
  const browser = await chromium.launch({
    executablePath,
    args: [
      ...['--no-sandbox', '--use-fake-ui-for-media-stream', `--use-fake-device-for-media-stream=fps=${fps}`],
      `--use-file-for-fake-video-capture=${video}`,
    ],
  });
  try {
    const context = await browser.newContext({ viewport: { width: 1200, height: 860 } });
    const page = await context.newPage();
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Camera' }).click();
    const fact = page.locator('[data-fact="rate"]');
    await page.waitForFunction(() => Number(document.querySelector('[data-fact="rate"]')?.textContent) > 0);
    // The first frames compile.
    await page.waitForTimeout(3000);
    const size = await page.locator('canvas.picture').evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      return `${width}×${height}`;
    });
    if (size !== `${width}×${height}`) throw new Error(`the camera gave ${size}`);
    const rates: number[] = [];
    for (let i = 0; i < seconds; i++) {
      await page.waitForTimeout(1000);
      rates.push(Number(await fact.textContent()));
    }
    return rates;
  } finally {
    await browser.close();
    server.close();
  }
}
