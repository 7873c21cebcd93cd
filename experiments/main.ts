/**
 * Many short trainings, each without one group of images and scored on it, one after the other on one thread:
 *
 *   npm run experiment -- experiments/camvid.json --data datasets/camvid --out runs/experiments
 *
 * Stops at any time and goes on with the same command; what is finished is never done again. A recipe that is added to
 * the file is trained, one that is changed needs another name. OUT/table.md is written after every training.
 */
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { wasmBackend } from '../src/backends/wasm/index.js';
import { interruptSignal, TrainingDisplay } from '../src/cli/training.js';
import { openDataset } from '../src/data/datasets.js';
import { isFile, readBytes, writeAtomic } from '../src/data/files.js';
import { type Part, partsOf } from '../src/data/holdOut.js';
import { UserError } from '../src/errors.js';
import { formatDuration, formatScore } from '../src/report/format.js';
import { markdownTable } from '../src/report/table.js';
import { parseTrainConfig, recipeOf } from '../src/train/config.js';
import { trainWithout } from '../src/train/leaveOut.js';
import {
  configOf,
  type Experiment,
  type Outcome,
  parseExperiment,
  type Run,
  rowOf,
  runsOf,
} from './experiment.js';

interface Flags {
  readonly data: string;
  readonly out: string;
  readonly threads: string;
}

async function main(file: string, flags: Flags): Promise<void> {
  const experiment = parseExperiment((await readBytes(file)).toString('utf8'), file);
  const dataset = await openDataset(flags.data, { split: 'train' });
  const all = partsOf(dataset, { train: 'train', val: 'val' }, { group: experiment.group });
  const parts = (experiment.only ?? all.map(({ name }) => name)).map((name) => {
    const part = all.find((one) => one.name === name);
    if (part) return part;
    throw new UserError(
      `${file}: "only": no group ${name}; there are ${all.map((one) => one.name).join(', ')}`,
      2,
    );
  });
  const groups = parts.map(({ name }) => name);
  const done = new Map<string, Outcome>();
  const outcome = (run: Run) => done.get(keyOf(run));
  const { signal, release } = interruptSignal();
  try {
    for (const rung of experiment.rungs.keys()) {
      // A rung is known when the one before is finished, which it is here.
      const runs = runsOf(experiment, groups, rung, outcome)!;
      for (const [i, run] of runs.entries()) {
        process.stderr.write(`rung ${rung + 1}, ${i + 1}/${runs.length}: ${keyOf(run)}\n`);
        const part = parts.find(({ name }) => name === run.group)!;
        const result = await trainOne(experiment, run, part, { ...flags, signal });
        if (!result) {
          process.stderr.write('stopped and saved; the same command goes on\n');
          return;
        }
        process.stderr.write(`  mIoU ${formatScore(result.miou)} %, ${formatDuration(result.seconds)}\n`);
        done.set(keyOf(run), result);
        await writeTable(experiment, groups, outcome, file, flags.out);
      }
    }
  } finally {
    release();
  }
  process.stdout.write(`${path.join(flags.out, 'table.md')}\n`);
}

/** Folder of a run below the output folder. */
const keyOf = ({ recipe, epochs, group, seed }: Run): string =>
  path.join(`${recipe}-${epochs}`, `${encodeURIComponent(group)}-${seed}`);

async function trainOne(
  experiment: Experiment,
  run: Run,
  part: Part,
  { data, out, threads, signal }: Flags & { signal: AbortSignal },
): Promise<Outcome | undefined> {
  const folder = path.join(out, keyOf(run));
  const config = { ...configOf(experiment, run.recipe), data, epochs: run.epochs, seed: run.seed };
  await claim(path.join(out, `${run.recipe}-${run.epochs}`, 'recipe.json'), {
    ...config,
    data: '.',
    seed: 0,
  });
  const display = new TrainingDisplay();
  try {
    const place = { threads: Number(threads), workers: 1, saveEveryMinutes: 2 };
    const onEvent = display.onEvent.bind(display);
    return await trainWithout(
      part,
      folder,
      { ...config, ...place },
      { device: wasmBackend, signal, onEvent },
    );
  } finally {
    display.stop();
  }
}

/** Keeps a changed recipe from going under the name of another. */
async function claim(file: string, config: Parameters<typeof parseTrainConfig>[0] & object): Promise<void> {
  const recipe = JSON.parse(JSON.stringify(recipeOf(parseTrainConfig({ ...config, out: '.' })))) as unknown;
  if (isFile(file)) {
    const before = JSON.parse((await readBytes(file)).toString('utf8')) as unknown;
    if (isDeepStrictEqual(before, recipe)) return;
    throw new UserError(`${file}: is of another recipe; give the changed one another name`, 2);
  }
  await writeAtomic(file, Buffer.from(`${JSON.stringify(recipe, null, 2)}\n`));
}

async function writeTable(
  experiment: Experiment,
  groups: readonly string[],
  outcome: (run: Run) => Outcome | undefined,
  file: string,
  out: string,
): Promise<void> {
  const rows = experiment.rungs.flatMap((_, rung) => {
    const runs = runsOf(experiment, groups, rung, outcome) ?? [];
    return [...new Set(runs.map(({ recipe }) => recipe))].map((recipe) =>
      rowOf(experiment, groups, rung, recipe, outcome),
    );
  });
  const seeds = experiment.seeds.join(', ');
  const lines = [
    `\`npm run experiment -- ${path.basename(file)}\`, ${experiment.seeds.length === 1 ? 'seed' : 'means over the seeds'} ${seeds}; mIoU in % on the group that was left out.`,
    '',
    ...markdownTable(
      ['recipe', 'epochs', ...groups, 'mean', 'worst', 'training time'],
      rows
        .filter(({ seconds }) => seconds > 0)
        .map((row) => [
          row.recipe,
          String(row.epochs),
          ...[...row.groups, row.mean, row.worst].map(formatScore),
          formatDuration(row.seconds),
        ]),
    ),
    '',
  ];
  await writeAtomic(path.join(out, 'table.md'), Buffer.from(lines.join('\n')));
}

await new Command('experiment')
  .description('trains every recipe of a file without each group of images in turn, and compares')
  .argument('<file>', 'experiments as JSON, see experiments/')
  .requiredOption('--data <dir>', 'data set folder')
  .requiredOption('--out <dir>', 'folder for the runs and table.md')
  .option('--threads <n>', 'worker threads', '1')
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`experiment: ${error.message}\n`);
    process.exitCode = error.exitCode;
  });
