import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command, Option } from 'commander';
import type { Backend } from '../backends/backend.js';
import { openDataset } from '../data/datasets.js';
import { writeOverlayPng } from '../data/image.js';
import { renderScene, writeSynthetic } from '../data/synth.js';
import { evaluate } from '../eval/evaluate.js';
import { Predictor } from '../eval/predictor.js';
import { loadModel } from '../model/load.js';
import { vnet } from '../nets/vnet.js';
import { hyperOf } from '../optimizers/index.js';
import { formatDuration, formatScore } from '../report/format.js';
import { compile } from '../run.js';
import { train } from '../train/train.js';
import pc from './colour.js';
import type { DeviceFlags } from './device.js';
import { deviceOptions, openBackend } from './device.js';
import type { PixelSize } from './options.js';
import { formatSize, pixelSize, real, threadsOption, whole } from './options.js';
import { Progress } from './progress.js';
import { Stopped } from './stopped.js';
import { interruptSignal, TrainingDisplay } from './training.js';

interface DemoOptions extends DeviceFlags {
  readonly out: string;
  readonly minutes: number;
  readonly epochs?: number;
  readonly size?: PixelSize;
  readonly seed: number;
  readonly threads: number;
}

const scenes = { train: 64, val: 8 };
const batch = 4;
const stepsPerEpoch = scenes.train / batch;
/** Sizes that the demo chooses from, and the fewest steps with which the larger one looks good. */
const sizes = { large: { height: 192, width: 384 }, small: { height: 128, width: 256 }, fewestSteps: 240 };

export function demoCommand(): Command {
  const command = new Command('demo')
    .summary('from nothing to a trained network and a report in two minutes')
    .description(
      'Draws a small set of street scenes, trains VNet on it for about two minutes, evaluates it, and writes overlays ' +
        'and one HTML report. The number of epochs follows from the measured speed; with --epochs and --size ' +
        'the result is the same on every machine.',
    )
    .option('--out <dir>', 'folder for everything', 'vnet-demo')
    .addOption(new Option('--minutes <n>', 'time to train').argParser(real(0.05, 600)).default(2))
    .option('--epochs <n>', 'train exactly this long instead', whole(1, 10_000))
    .option('--size <HxW>', 'pixels of a scene (default: 192x384, on slow machines 128x256)', pixelSize)
    .addOption(new Option('--seed <n>', 'of scenes and weights').argParser(whole(0)).default(1))
    .addOption(threadsOption());
  for (const option of deviceOptions()) command.addOption(option);
  return command.addHelpText('after', '\nExample:\n  vnet demo --minutes 5 --out my-demo').action(run);
}

async function run(options: DemoOptions): Promise<void> {
  const { out, seed, threads } = options;
  const backend = await openBackend(options);
  const { size, epochs, stepSeconds } = await choose(options, backend);
  const speed = stepSeconds ? `, ${formatDuration(stepSeconds)} a step` : '';
  tell(1, `drawing ${scenes.train + scenes.val} street scenes of ${formatSize(size)}`);
  const data = path.join(out, `scenes-${size.height}x${size.width}-seed${seed}`);
  await drawScenes(data, size, seed);
  tell(2, `training VNet for ${epochs} epochs${speed}`);
  const folder = freeFolder(path.join(out, 'run'));
  const { RunReporter } = await import('../report/reporter.js');
  const reporter = new RunReporter(folder, {
    backend,
    threads,
    title: 'VNet on synthetic street scenes',
  });
  const interrupt = interruptSignal();
  const display = new TrainingDisplay();
  const result = await train({
    data,
    out: folder,
    epochs,
    batch,
    learningRate: 5e-3,
    validateEvery: Math.max(1, Math.round(epochs / 8)),
    logEvery: 2,
    seed,
    threads,
    device: backend,
    signal: interrupt.signal,
    onEvent: (event) => {
      if (event.type === 'start') interrupt.began();
      display.onEvent(event);
      reporter.onEvent(event);
    },
  }).finally(() => {
    display.stop();
    interrupt.release();
  });
  if (result.interrupted) {
    throw new Stopped(`stopped after step ${result.step}, saved`, [
      ...['vnet', 'train', '--out', folder, '--resume'],
    ]);
  }
  const model = result.best ?? result.last;
  tell(3, 'evaluating and drawing overlays');
  const overlays = path.join(folder, 'overlays');
  const miou = await evaluateAndDraw(model, data, overlays, { backend, threads });
  const page = await reporter.finish(result);
  const lines = [
    `\n${pc.bold(pc.green(`mIoU ${formatScore(miou)} %`))} on ${scenes.val} scenes it has not seen\n`,
    `report    ${pc.bold(page)}`,
    `          ${pc.dim(pathToFileURL(path.resolve(page)).href)}`,
    `overlays  ${overlays}${path.sep}`,
    `model     ${model}`,
    `\nNext: vnet predict --model ${folder} YOUR-PHOTO.jpg`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

const tell = (step: number, what: string): void => {
  process.stderr.write(`${pc.bold(`${step}/3`)} ${what}\n`);
};

/** Size and epochs as asked for, else as many as fit into the time at the measured speed. */
async function choose(
  options: DemoOptions,
  backend: Backend,
): Promise<{ size: PixelSize; epochs: number; stepSeconds?: number }> {
  if (options.epochs) return { size: options.size ?? sizes.large, epochs: options.epochs };
  // A part of the time goes to validation and saving.
  const seconds = options.minutes * 60 * 0.9;
  const candidates = options.size ? [options.size] : [sizes.large, sizes.small];
  for (const size of candidates) {
    const stepSeconds = await measureStep(size, options, backend);
    const steps = seconds / stepSeconds;
    const enough = steps >= sizes.fewestSteps || size === candidates[candidates.length - 1];
    if (enough) return { size, stepSeconds, epochs: Math.max(1, Math.floor(steps / stepsPerEpoch)) };
  }
  throw new Error('no size to choose from');
}

/** Seconds of a training step, the median of three. */
async function measureStep(
  { height, width }: PixelSize,
  { seed, threads }: DemoOptions,
  device: Backend,
): Promise<number> {
  const executor = await compile(vnet({ classes: 19 }), {
    mode: 'train',
    batch,
    height,
    width,
    device,
    threads,
  });
  try {
    const { image } = renderScene(seed, 0, height, width);
    for (let i = 0; i < batch; i++) executor.write('images', image.data, i * image.data.length);
    executor.write('hyper', hyperOf({ kind: 'adam' }, 0, 1));
    const seconds: number[] = [];
    for (let i = 0; i < 4; i++) {
      const start = performance.now();
      await executor.run('forward', 'backward', 'update');
      // Runs on a GPU are queued; reads wait for them.
      await executor.read('loss');
      seconds.push((performance.now() - start) / 1000);
    }
    // The first run compiles the kernels.
    return seconds.slice(1).sort((a, b) => a - b)[1];
  } finally {
    await executor.dispose();
  }
}

async function drawScenes(out: string, size: PixelSize, seed: number): Promise<void> {
  const count = scenes.train + scenes.val;
  const progress = new Progress('scenes', count);
  try {
    await writeSynthetic({
      out,
      count,
      ...size,
      seed,
      valFraction: scenes.val / count,
      onProgress: (done) => progress.update(done),
    });
  } finally {
    progress.stop();
  }
}

/** `name`, or `name-2`, `name-3`, … where earlier demos have left theirs. */
function freeFolder(name: string): string {
  let folder = name;
  for (let i = 2; existsSync(folder); i++) folder = `${name}-${i}`;
  return folder;
}

async function evaluateAndDraw(
  file: string,
  data: string,
  overlays: string,
  place: { backend: Backend; threads: number },
): Promise<number | undefined> {
  const dataset = await openDataset(data);
  const model = await loadModel(file);
  const predictor = new Predictor(model.network, model.weights, { ...place, sizes: 1 });
  try {
    const { scores } = await evaluate(predictor, dataset, {
      onImage: ({ sample, image, prediction }) =>
        writeOverlayPng(path.join(overlays, `${sample.id}.png`), image, prediction, dataset.classes.colours),
    });
    return scores.miou;
  } finally {
    await predictor.dispose();
  }
}
