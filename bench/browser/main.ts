/**
 * Races VNet against onnxruntime-web and TensorFlow.js in headless Chromium, on a page that is isolated, in one run, turn
 * by turn; then measures the page's own camera view, from the camera to the overlay. Prints Markdown.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { whole } from '../../src/cli/options.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { loadModel, renderScene, shippedModel } from '../../src/index.js';
import { exportOnnx } from '../../src/interop/onnx.js';
import { median } from '../../src/median.js';
import { ratio } from '../statistics.js';
import { cameraRate } from './camera.js';
import type { Name, race } from './contestants.js';
import { serveFiles } from './serve.js';

const flags = new Command('race:browser')
  .description(
    'Races VNet against onnxruntime-web and TensorFlow.js in headless Chromium, turn by turn, and measures live video. Prints Markdown.',
  )
  .option('--sizes <list>', 'heights and widths of pictures', '512x1024,360x480')
  .option('--threads <n>', 'threads of every program', whole(1, 256), 2)
  .option('--rounds <n>', 'timed turns of each program', whole(1), 15)
  .option('--pause <ms>', 'before each turn, for threads that still spin', whole(0), 250)
  .option(
    '--before <n>',
    'pictures before the one that is timed; 0: it comes straight after the pause',
    whole(0),
    2,
  )
  .option('--gpu <name>', 'race on WebGPU, on the adapter with this in its name (such as swiftshader)', '')
  .option('--no-video', 'leave out the live video')
  .option('--no-race', 'only the live video')
  .option('--chromium <path>', 'the browser', process.env.CHROMIUM ?? '/usr/bin/chromium')
  .addHelpText('after', '\nExample:\n  npm run race:browser -- --sizes 360x480 --rounds 5')
  .parse()
  .opts<{
    sizes: string;
    threads: number;
    rounds: number;
    pause: number;
    before: number;
    gpu: string;
    video: boolean;
    race: boolean;
    chromium: string;
  }>();

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-race-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const sizes = flags.sizes.split(',').map((size) => {
  const [height, width] = size.split('x').map(Number);
  if (!(height >= 32 && width >= 32)) throw new Error(`--sizes ${size}: expected HEIGHTxWIDTH`);
  return { height, width };
});

const model = await loadModel(shippedModel);
for (const { height, width } of sizes) {
  const onnx = exportOnnx(model.network, model.weights, { height, width });
  writeFileSync(path.join(folder, `model-${height}x${width}.onnx`), onnx);
}
writeFileSync(path.join(folder, 'model.safetensors'), await readFile(shippedModel));
writeFileSync(path.join(folder, 'picture.png'), await encodeRgbPng(renderScene(3, 1, 512, 1024).image));
writeFileSync(path.join(folder, 'index.html'), '<!doctype html><title>race</title>');
await build({
  entryPoints: [fileURLToPath(new URL('./contestants.js', import.meta.url))],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  conditions: ['browser'],
  outfile: path.join(folder, 'race.js'),
  logLevel: 'silent',
});

const server = await serveFiles((name) => {
  if (name.startsWith('/vnet/')) return path.join(root, 'build/assets', name.slice(6));
  if (name.startsWith('/tf/'))
    return path.join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/dist', name.slice(4));
  if (name.startsWith('/ort/')) return path.join(root, 'node_modules/onnxruntime-web/dist', name.slice(5));
  return path.join(folder, name);
});
const browser = await chromium.launch({
  executablePath: flags.chromium,
  args: [
    '--no-sandbox',
    ...(flags.gpu ? ['--enable-unsafe-webgpu'] : []),
    ...(flags.gpu === 'swiftshader' ? ['--use-webgpu-adapter=swiftshader'] : []),
  ],
});
try {
  const names: readonly Name[] = flags.gpu
    ? ['vnet', 'onnxruntime-web']
    : ['vnet', 'vnet i16', 'onnxruntime-web', 'TensorFlow.js'];
  console.log(
    `${cpus()[0].model}, Chromium ${browser.version()}, ${flags.rounds} turns each, ${flags.before} pictures before each that is timed
`,
  );
  for (const { height, width } of flags.race ? sizes : []) {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.goto(server.url);
    const start = { height, width, threads: flags.threads, gpu: flags.gpu };
    const turns = { rounds: flags.rounds, pauseMs: flags.pause, before: flags.before };
    const results = await page.evaluate(
      async ([names, start, turns]) => {
        const at = '/race.js';
        const module = (await import(at)) as { race: typeof race };
        return module.race(names, start, turns);
      },
      [names, start, turns] as const,
    );
    console.log(`| ${height}×${width}, RGB bytes to labels | runs on | ms | × vnet | labels |`);
    console.log('| --- | --- | --- | --- | --- |');
    for (const { name, says, equal, times } of results) {
      const { median: times_, min, max } = ratio(times, results[0].times);
      const spread = name === 'vnet' ? '1' : `**${times_.toFixed(2)}** (${min.toFixed(2)}–${max.toFixed(2)})`;
      console.log(
        `| ${name} | ${says} | ${median(times).toFixed(1)} | ${spread} | ${(100 * equal).toFixed(3)} % |`,
      );
    }
    console.log('');
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
if (flags.video && !flags.gpu) {
  const rates = await cameraRate(flags.chromium, folder, 12);
  console.log(
    `Live video 640×480 on the page, camera to overlay: ${median(rates).toFixed(1)} frames/s (${Math.min(...rates).toFixed(1)}–${Math.max(...rates).toFixed(1)})`,
  );
}
