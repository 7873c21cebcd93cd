/**
 * A model by trainings in a row, as one command:
 *
 *   npm run recipe -- experiments/shipped.json --data datasets/camvid --out runs/shipped
 *
 * Each stage is a run folder OUT/STAGE, and its weights are OUT/STAGE.safetensors, from which the next starts; the last is
 * the model. Stops at any time and goes on with the same command; `--epochs 1` tries a file out.
 */
import path from 'node:path';
import { Command } from 'commander';
import { wasmBackend } from '../src/backends/wasm/index.js';
import { whole } from '../src/cli/options.js';
import { interruptSignal, TrainingDisplay } from '../src/cli/training.js';
import { openDataset } from '../src/data/datasets.js';
import { isFile, readBytes, writeAtomic } from '../src/data/files.js';
import { writeSynthetic } from '../src/data/synth.js';
import { UserError } from '../src/errors.js';
import { readModel, writeModel } from '../src/model/file.js';
import { runFiles } from '../src/train/checkpoint.js';
import { train } from '../src/train/train.js';
import { putBeside } from './beside.js';
import { parseStages, type Stage, trainingOf } from './stages.js';

interface Flags {
  readonly data: string;
  readonly out: string;
  readonly threads?: number;
  readonly workers?: number;
  readonly epochs?: number;
}

async function main(file: string, flags: Flags): Promise<void> {
  const stages = parseStages((await readBytes(file)).toString('utf8'), file);
  const { signal, release, began } = interruptSignal();
  let model: string | undefined;
  try {
    for (const [name, stage] of Object.entries(stages)) {
      const made = path.join(flags.out, `${name}.safetensors`);
      if (!isFile(made)) {
        process.stderr.write(`stage ${name}\n`);
        const data = stage.scenes ? await scenesOf(stage.scenes, name, file, flags) : flags.data;
        const done = await runStage(name, stage, model, { ...flags, data }, signal, began);
        if (!done) {
          process.stderr.write('stopped and saved; the same command goes on\n');
          return;
        }
      }
      model = made;
    }
  } finally {
    release();
  }
  process.stdout.write(`${model}\n`);
}

/** Draws the scenes of a stage. @returns the folder of what it trains on. */
async function scenesOf(
  { count, size: [height, width], seed, val, classes, light, beside }: NonNullable<Stage['scenes']>,
  name: string,
  file: string,
  { data, out: folder }: Flags,
): Promise<string> {
  const out = path.join(folder, `${name}-scenes`);
  await writeSynthetic({ out, count, height, width, seed, light, valFraction: val });
  await writeAtomic(path.join(out, 'classes.json'), await readBytes(path.join(path.dirname(file), classes)));
  if (!beside) return out;
  const both = path.join(folder, `${name}-data`);
  await putBeside(both, await openDataset(data), await openDataset(out), `${light}_`);
  return both;
}

/** Trains a stage and writes its model. @returns false where it was interrupted. */
async function runStage(
  name: string,
  stage: Stage,
  init: string | undefined,
  { data, out: folder, threads, workers, epochs }: Flags,
  interrupted: AbortSignal,
  began: () => void,
): Promise<boolean> {
  const out = path.join(folder, name);
  const { last, previous, best } = runFiles(out);
  const { config, until } = trainingOf(stage, init, epochs);
  const enough = new AbortController();
  const display = new TrainingDisplay();
  try {
    const result = await train({
      samples: 0,
      ...config,
      ...{ data, out, threads, workers, device: wasmBackend },
      resume: isFile(last) || isFile(previous),
      signal: AbortSignal.any([interrupted, enough.signal]),
      onEvent: (event) => {
        if (event.type === 'start') began();
        display.onEvent(event);
        if (event.type === 'start' && event.step >= until * event.stepsPerEpoch) enough.abort();
        if (event.type === 'step' && event.step >= until * event.stepsPerEpoch && event.step < event.steps)
          enough.abort();
      },
    });
    if (interrupted.aborted && result.interrupted) return false;
    const { info, weights } = await readModel(stage.take === 'best' && isFile(best) ? best : result.last);
    await writeModel(path.join(folder, `${name}.safetensors`), info, weights, stage.half ? 'F16' : 'F32');
    return true;
  } finally {
    display.stop();
  }
}

await new Command('recipe')
  .description('trains a model in the stages of a file, each from the weights of the one before')
  .argument('<file>', 'stages as JSON, see experiments/')
  .requiredOption('--data <dir>', 'data set folder')
  .requiredOption('--out <dir>', 'folder for the runs and models')
  .option('--threads <n>', 'worker threads (default: all cores)', whole(1, 256))
  .option('--workers <n>', 'threads that decode images', whole(0, 64))
  .option('--epochs <n>', 'at most so many epochs a stage, to try a file out', whole(1))
  .addHelpText(
    'after',
    '\nExample:\n  npm run recipe -- experiments/shipped.json --data datasets/camvid --out runs/shipped',
  )
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`recipe: ${error.message}\n`);
    process.exitCode = error.exitCode;
  });
