// Damaged and hostile files over every reader: `npm run test:hostile [-- --files 2000 --seed 7]`. Each reader runs in a
// process of its own, whose highest memory is read when it ends. Fails where anything but one line for people comes out,
// where a process takes more than 512 MiB, or where `data check` and training disagree on a data set.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { checkDataset } from '../../src/data/check.js';
import { openDataset } from '../../src/data/datasets.js';
import { readSample } from '../../src/data/read-sample.js';
import { Rng } from '../../src/data/rng.js';
import { checkUsable } from '../../src/data/trainable.js';
import { UserError } from '../../src/errors.js';
import { damage, damageText } from '../damage.js';
import { type Reader, readers } from './readers.js';
import { writeSmallSet } from './small-set.js';

/** What one process found. */
interface Counts {
  files: number;
  refused: number;
  accepted: number;
  /** Failures that are no line for people. */
  wrong: string[];
  /** MiB. */
  memory: number;
}

const mostMemory = 512;

const whole = (text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number.');
};
const values = new Command('test:hostile')
  .description(
    'Damaged and hostile files over every reader: one line for people, bounded memory, check and training alike.',
  )
  .option('--files <n>', 'files of all readers together', whole, 2000)
  .option('--seed <n>', 'of the damage (default: by the clock)', whole, Date.now() % 100000)
  .option('--only <reader>', 'readers whose name holds this')
  .addOption(new Option('--child <reader>', 'the reader of this process').hideHelp())
  .allowExcessArguments(false)
  .addHelpText('after', '\nExample:\n  npm run test:hostile -- --files 2000 --seed 7')
  .parse()
  .opts<{ files: number; seed: number; only?: string; child?: string }>();
const { seed } = values;

/** A line for people, as the command line prints it. */
const isLine = (error: unknown): boolean =>
  error instanceof Error &&
  (error instanceof UserError || 'refused' in error) &&
  !error.message.includes('\n') &&
  error.message.length < 2000;

async function readAll(reader: Reader, count: number, folder: string, counts: Counts): Promise<void> {
  const rng = Rng.of(seed, readers.indexOf(reader));
  const good = await reader.make(folder);
  const file = path.join(folder, `hostile${reader.ending}`);
  // A reader that refuses the good one would find nothing.
  writeFileSync(file, good);
  await reader.read(file);
  for (let i = 0; i < count; i++) {
    writeFileSync(file, (reader.spoil ?? damage)(good, rng));
    counts.files++;
    try {
      await reader.read(file);
      counts.accepted++;
    } catch (error) {
      if (isLine(error)) counts.refused++;
      else
        counts.wrong.push(
          `${reader.name}, seed ${seed}, file ${i}: ${error instanceof Error ? error.stack : error}`,
        );
    }
  }
}

/** Whole data sets with a damaged file or two: what the check says is what a training does. */
async function compareSets(count: number, folder: string, counts: Counts): Promise<void> {
  const rng = Rng.of(seed, 99);
  for (let i = 0; i < count; i++) {
    const root = path.join(folder, `set${i}`);
    const files = await writeSmallSet(root);
    for (let n = rng.int(3); n > 0; n--) {
      const { file, bytes } = rng.pick(files);
      const text = file.endsWith('.json');
      if (rng.chance(0.15)) rmSync(file, { force: true });
      else writeFileSync(file, text ? damageText(bytes.toString(), rng) : damage(bytes, rng));
    }
    counts.files++;
    const fatal = await outcome(async () => (await checkDataset(root, { batch: 2, workers: 1 })).fatal);
    const refused = await outcome(async () => {
      const dataset = await openDataset(root, { split: 'train' });
      await checkUsable(dataset, { train: 'train', val: 'val', batch: 2 }, () => undefined, 1);
      for (const split of ['train', 'val']) {
        if (!dataset.splits.includes(split)) continue;
        for (const sample of dataset.samples(split)) await readSample(dataset, sample);
      }
      return false;
    });
    if (fatal === refused) counts[fatal ? 'refused' : 'accepted']++;
    else counts.wrong.push(`data set, seed ${seed}, set ${i}: check ${fatal}, training ${refused}`);
    rmSync(root, { recursive: true });
  }
}

/** Whether something is refused by a line; anything else is thrown on. */
async function outcome(work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await work();
  } catch (error) {
    if (isLine(error)) return true;
    throw error;
  }
}

async function child(name: string, count: number): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'vnet-hostile-'));
  const counts: Counts = { files: 0, refused: 0, accepted: 0, wrong: [], memory: 0 };
  try {
    const reader = readers.find((each) => each.name === name);
    if (reader) await readAll(reader, count, folder, counts);
    else await compareSets(count, folder, counts);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  counts.memory = Math.ceil(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(JSON.stringify(counts));
}

function parent(): void {
  const names = [...readers.map(({ name }) => name), 'data sets'].filter((name) =>
    name.includes(values.only ?? ''),
  );
  const each = Math.ceil(values.files / names.length);
  const total: Counts = { files: 0, refused: 0, accepted: 0, wrong: [], memory: 0 };
  console.log(`seed ${seed}; ${each} files for each of ${names.length} readers`);
  for (const name of names) {
    const args = [
      fileURLToPath(import.meta.url),
      '--child',
      name,
      '--files',
      String(each),
      '--seed',
      String(seed),
    ];
    const { stdout, stderr, status, signal } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: 600_000,
    });
    if (status !== 0) {
      total.wrong.push(
        `${name}: the process ended with ${signal ?? status}: ${stderr.trim().slice(0, 2000)}`,
      );
      continue;
    }
    const counts = JSON.parse(stdout) as Counts;
    console.log(
      `${name.padEnd(24)} ${counts.refused} refused, ${counts.accepted} accepted, ${counts.wrong.length} wrong, at most ${counts.memory} MiB`,
    );
    if (counts.memory > mostMemory) counts.wrong.push(`${name}: took ${counts.memory} MiB`);
    total.files += counts.files;
    total.refused += counts.refused;
    total.accepted += counts.accepted;
    total.memory = Math.max(total.memory, counts.memory);
    total.wrong.push(...counts.wrong);
  }
  console.log(
    `\n${total.files} files: ${total.refused} refused, ${total.accepted} accepted, at most ${total.memory} MiB`,
  );
  for (const line of total.wrong.slice(0, 20)) console.log(line);
  if (total.wrong.length > 0) process.exitCode = 1;
}

if (values.child) await child(values.child, values.files);
else parent();
