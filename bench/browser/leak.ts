/**
 * Segments many frames of changing sizes in headless Chromium and prints what the page holds: heap, array buffers, shared
 * memory of plans, workers. Fails where memory grows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { chromium } from 'playwright-core';
import { whole } from '../../src/cli/options.js';
import { writePage } from './page.js';
import { serveFiles } from './serve.js';

const flags = new Command('leak:browser')
  .description('Segments frames of changing sizes in headless Chromium and prints what the page holds.')
  .option('--frames <n>', 'how many', whole(100), 20_000)
  .option('--chromium <path>', 'the browser', process.env.CHROMIUM ?? '/usr/bin/chromium')
  .addHelpText('after', '\nExample:\n  npm run leak:browser -- --frames 2000')
  .parse()
  .opts<{ frames: number; chromium: string }>();

/** Heights and widths of frames, one after the other; more of them than executors are kept. */
const sizes = [
  [32, 32],
  [36, 48],
  [48, 40],
  [33, 61],
  [40, 40],
] as const;

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-leak-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const script = `import { Segmenter } from '${path.join(root, 'build/src/browser.js')}';
const segmenter = await Segmenter.load({ assets: '/vnet/', device: 'wasm', threads: 2 });
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext('2d');
let shown = 0;
/** Segments frames as a page does with a video, size by size in turns of 20. */
globalThis.segmentFrames = async (count, sizes) => {
  for (let i = 0; i < count; i++) {
    const [height, width] = sizes[Math.floor(shown++ / 20) % sizes.length];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.fillStyle = 'hsl(' + (shown % 360) + ' 60% 50%)';
    context.fillRect(0, 0, width, height / 2);
    const frame = new VideoFrame(canvas, { timestamp: shown });
    const result = await segmenter.segment(frame, { resize: 'own' });
    frame.close();
    result.toImageData();
    result.areas;
  }
  return { plans: segmenter.allocatedBytes };
};`;
await writePage(folder, script);
const server = await serveFiles((name) =>
  name.startsWith('/vnet/') ? path.join(root, 'build/assets', name.slice(6)) : path.join(folder, name),
);
const browser = await chromium.launch({
  executablePath: flags.chromium,
  args: ['--no-sandbox', '--disable-gpu'],
});
const held: { frames: number; heap: number; buffers: number; plans: number; workers: number }[] = [];
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(server.url);
  await page.waitForFunction(() => 'segmentFrames' in globalThis);
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.enable');
  const parts = 10;
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  console.log(
    '| frames | heap, MiB | array buffers, MiB | plans, MiB | workers |\n| ---: | ---: | ---: | ---: | ---: |',
  );
  for (let part = 0; part <= parts; part++) {
    // The first turn over all sizes is not counted: it compiles.
    const count = part === 0 ? 20 * sizes.length : Math.round(flags.frames / parts);
    const { plans } = await page.evaluate(
      ([count, sizes]) =>
        (
          globalThis as unknown as {
            segmentFrames(count: number, sizes: unknown): Promise<{ plans: number }>;
          }
        ).segmentFrames(count, sizes),
      [count, sizes] as const,
    );
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize = 0 } = (await session.send('Runtime.getHeapUsage')) as {
      usedSize: number;
      backingStorageSize?: number;
    };
    const line = {
      frames: (held.at(-1)?.frames ?? 0) + count,
      heap: usedSize,
      buffers: backingStorageSize,
      plans,
      workers: page.workers().length,
    };
    held.push(line);
    console.log(
      `| ${line.frames} | ${mib(line.heap)} | ${mib(line.buffers)} | ${mib(line.plans)} | ${line.workers} |`,
    );
  }
} finally {
  await browser.close();
  server.close();
}
const [first, last] = [held[1], held.at(-1)!];
const grown = last.heap - first.heap + last.buffers - first.buffers;
console.log(`\nfrom ${first.frames} to ${last.frames} frames: ${(grown / 1024).toFixed(0)} KiB`);
if (grown > 2 ** 20 || last.workers > first.workers) {
  console.error('memory grows');
  process.exitCode = 1;
}
