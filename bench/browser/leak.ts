/**
 * Segments many frames of changing sizes in headless Chromium and prints what the page and the browser's processes hold:
 * heap, array buffers, shared memory of plans, a GPU's buffers, workers, listeners, file descriptors. Fails where it grows.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { CDPSession } from 'playwright-core';
import { chromium } from 'playwright-core';
import { whole } from '../../src/cli/options.js';
import { writePage } from './page.js';
import { serveFiles } from './serve.js';

const flags = new Command('leak:browser')
  .description('Segments frames of changing sizes in headless Chromium and prints what the page holds.')
  .option('--frames <n>', 'how many, at least 200', whole(200), 20_000)
  .option('--gpu <name>', 'on WebGPU, on the adapter with this in its name (such as swiftshader)', '')
  .option('--chromium <path>', 'the browser', process.env.CHROMIUM ?? '/usr/bin/chromium')
  .addHelpText('after', '\nExample:\n  npm run leak:browser -- --frames 2000')
  .parse()
  .opts<{ frames: number; gpu: string; chromium: string }>();

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
const place = flags.gpu ? { device: 'webgpu', gpu: flags.gpu } : { device: 'wasm', threads: 2 };
const script = `import { Segmenter } from '${path.join(root, 'build/src/browser.js')}';
/** Buffers and textures of GPUs that were made and not destroyed, whoever holds them. */
const gpu = { handles: 0, bytes: 0 };
const count = (device, made, bytesOf) => {
  const make = device.prototype[made];
  device.prototype[made] = function (descriptor) {
    const result = make.call(this, descriptor);
    const bytes = bytesOf(result);
    let lives = true;
    gpu.handles++;
    gpu.bytes += bytes;
    const destroy = result.destroy;
    result.destroy = () => {
      if (lives) (gpu.handles--, (gpu.bytes -= bytes));
      lives = false;
      destroy.call(result);
    };
    return result;
  };
};
if ('GPUDevice' in globalThis) {
  count(GPUDevice, 'createBuffer', ({ size }) => size);
  count(GPUDevice, 'createTexture', ({ width, height }) => 4 * width * height);
}
const segmenter = await Segmenter.load({ assets: '/vnet/', ...${JSON.stringify(place)} });
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
  return { plans: segmenter.allocatedBytes, gpuHandles: gpu.handles, gpuBytes: gpu.bytes };
};`;
await writePage(folder, script);
const server = await serveFiles((name) =>
  name.startsWith('/vnet/') ? path.join(root, 'build/assets', name.slice(6)) : path.join(folder, name),
);
const browser = await chromium.launch({
  executablePath: flags.chromium,
  args: [
    '--no-sandbox',
    ...(flags.gpu ? ['--enable-unsafe-webgpu'] : ['--disable-gpu']),
    ...(flags.gpu === 'swiftshader' ? ['--use-webgpu-adapter=swiftshader'] : []),
  ],
});

/** What is held after so many frames; bytes, or how many. */
interface Held {
  readonly frames: number;
  readonly heap: number;
  readonly buffers: number;
  readonly plans: number;
  readonly gpuHandles: number;
  readonly gpuBytes: number;
  readonly workers: number;
  readonly listeners: number;
  /** Of all processes of the browser, where /proc tells. */
  readonly descriptors: number;
  readonly resident: number;
}

/** @returns the folders of the browser's processes in /proc. It starts others later, for uses that never come. */
async function processesOf(session: CDPSession): Promise<string[]> {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return processInfo.map(({ id }) => `/proc/${id}`).filter((place) => existsSync(place));
}
const sumOf = (processes: readonly string[], of: (process: string) => number): number =>
  processes.reduce((sum, process) => sum + of(process), 0);

const held: Held[] = [];
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(server.url);
  await page.waitForFunction(() => 'segmentFrames' in globalThis);
  const session = await page.context().newCDPSession(page);
  const processes = await processesOf(await browser.newBrowserCDPSession());
  await session.send('HeapProfiler.enable');
  // Each part ends where all sizes have had their turn, so that the same ones are held.
  const turn = 20 * sizes.length;
  const parts = Math.min(10, Math.floor(flags.frames / turn));
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  const columns: Record<string, (line: Held) => string> = {
    frames: ({ frames }) => String(frames),
    'heap, MiB': ({ heap }) => mib(heap),
    'array buffers, MiB': ({ buffers }) => mib(buffers),
    'plans, MiB': ({ plans }) => mib(plans),
    'GPU buffers, MiB': ({ gpuBytes }) => mib(gpuBytes),
    'GPU buffers': ({ gpuHandles }) => String(gpuHandles),
    workers: ({ workers }) => String(workers),
    listeners: ({ listeners }) => String(listeners),
    'file descriptors': ({ descriptors }) => String(descriptors),
    'processes, MiB': ({ resident }) => mib(resident),
  };
  console.log(`| ${Object.keys(columns).join(' | ')} |\n|${' ---: |'.repeat(Object.keys(columns).length)}`);
  for (let part = 0; part <= parts; part++) {
    // The first turn over all sizes is not counted: it compiles.
    const count = part === 0 ? turn : turn * Math.round(flags.frames / parts / turn);
    const own = await page.evaluate(
      ([count, sizes]) =>
        (
          globalThis as unknown as {
            segmentFrames(
              count: number,
              sizes: unknown,
            ): Promise<Pick<Held, 'plans' | 'gpuHandles' | 'gpuBytes'>>;
          }
        ).segmentFrames(count, sizes),
      [count, sizes] as const,
    );
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize = 0 } = (await session.send('Runtime.getHeapUsage')) as {
      usedSize: number;
      backingStorageSize?: number;
    };
    const { jsEventListeners } = await session.send('Memory.getDOMCounters');
    const line: Held = {
      ...own,
      frames: (held.at(-1)?.frames ?? 0) + count,
      heap: usedSize,
      buffers: backingStorageSize,
      workers: page.workers().length,
      listeners: jsEventListeners,
      descriptors: sumOf(processes, (place) => readdirSync(`${place}/fd`).length),
      resident: sumOf(
        processes,
        (place) => 4096 * Number(readFileSync(`${place}/statm`, 'utf8').split(' ')[1]),
      ),
    };
    held.push(line);
    console.log(
      `| ${Object.values(columns)
        .map((text) => text(line))
        .join(' | ')} |`,
    );
  }
} finally {
  await browser.close();
  server.close();
}
const [first, last] = [held[1], held.at(-1)!];
const grown = last.heap - first.heap + last.buffers - first.buffers;
console.log(`\nfrom ${first.frames} to ${last.frames} frames: ${(grown / 1024).toFixed(0)} KiB`);
const counted = ['plans', 'gpuHandles', 'gpuBytes', 'workers', 'listeners'] as const;
const more = [
  ...counted.filter((name) => last[name] > first[name]),
  // Processes keep some files open for a while.
  ...(last.descriptors > first.descriptors + 20 ? ['descriptors'] : []),
  ...(grown > 2 ** 20 ? ['heap'] : []),
];
if (more.length > 0) {
  console.error(`what is held grows: ${more.join(', ')}`);
  process.exitCode = 1;
}
