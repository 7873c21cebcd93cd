/**
 * Whether two commits compute the same bits on CPU cores: this checkout, and another one that is built too. Both are
 * driven through their own `vnet`, so that nothing inside them needs to be alike. Prints a Markdown table; exit code 1
 * where something differs that should not.
 *
 * - Labels of the other checkout's model in the box, on CamVid's validation pictures and on Cityscapes pictures: equal.
 * - Weights after 50 steps with Adam under each policy: equal. The average of `--ema` after them, and weights after one step
 *   of SGD: to float32 rounding. (What SGD rounds otherwise in its first step has grown to 1e-3 of a weight in the fourth.)
 * - Arena of inference at 1024×2048 and of training steps: shown.
 *
 * What a commit gives is kept in `build/bits/COMMIT` of this checkout, where that commit has no local changes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { decode } from 'fast-png';

const here = fileURLToPath(new URL('../../..', import.meta.url));
const batch = 2;
const epochs = 5;
const training = [
  { name: 'adam, save', args: ['--policy', 'save'], exact: true, pictures: 20 },
  { name: 'adam, checkpoint', args: ['--policy', 'checkpoint'], exact: true, pictures: 20 },
  { name: 'adam, reversible', args: ['--policy', 'reversible'], exact: true, pictures: 20 },
  {
    name: 'sgd',
    args: ['--optimizer', 'sgd', '--lr', '0.05', '--epochs', '1'],
    exact: false,
    pictures: batch,
  },
  { name: 'adam, average', args: ['--ema', '0.95'], exact: false, pictures: 20 },
];
const plans = [
  { name: 'inference, 1×1024×2048', args: ['--mode', 'infer'] },
  ...['reversible', 'checkpoint', 'save'].map((policy) => ({
    name: `training, 4×1024×2048, ${policy}`,
    args: ['--mode', 'train', '--policy', policy],
  })),
];

const command = new Command('compare:bits')
  .description('Compares what this checkout and another one compute on CPU cores, bit for bit.')
  .argument('<checkout>', 'folder of the other checkout, built')
  .option(
    '--data <folder>',
    'holds camvid/ and cityscapes-sample/ (default: VNET_TEST_DATA)',
    process.env.VNET_TEST_DATA,
  )
  .option('--only <part>', 'labels, training or arena')
  .addHelpText('after', '\nExample:\n  npm run compare:bits -- ../vnet-before --data ~/data')
  .parse();
const flags = command.opts<{ data?: string; only?: string }>();
const other = path.resolve(command.args[0]);
if (!flags.data) command.error('error: --data: expected a folder with camvid/ and cityscapes-sample/');
const data = path.resolve(flags.data!);
for (const file of ['bin/vnet.js', 'build/src/cli/main.js']) {
  if (!existsSync(path.join(other, file))) command.error(`error: ${other}: no ${file}; build it there first`);
}

const git = (folder: string, ...args: string[]) =>
  execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim();

/** The model whose labels are compared: the other checkout's, as the one in the box may have been trained on. */
const model = path.join(other, 'models/vnet-camvid.safetensors');

/** Runs `vnet` of a checkout. @returns what it printed. @throws where it failed. */
function vnet(checkout: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(checkout, 'bin/vnet.js'), ...args, '--device', 'wasm'],
    { encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  if (status !== 0)
    throw new Error(`${checkout}: vnet ${args.join(' ')}: ${stderr.trim().split('\n').at(-1)}`);
  return stdout;
}

/** Some pictures of CamVid as a data set of its own: 50 steps are five epochs of 20. */
function smallDataset(pictures: number): string {
  const folder = path.join(here, 'build/bits/data', String(pictures));
  rmSync(folder, { recursive: true, force: true });
  for (const [split, count] of [
    ['train', pictures],
    ['val', 1],
  ] as const) {
    const names = readdirSync(path.join(data, 'camvid', split))
      .sort()
      .slice(0, count);
    for (const part of [split, `${split}annot`]) {
      for (const name of names) cpSync(path.join(data, 'camvid', part, name), path.join(folder, part, name));
    }
  }
  return folder;
}

interface Part {
  readonly name: string;
  run(checkout: string, out: string): void;
}
const parts: readonly Part[] = [
  {
    name: 'labels',
    run: (checkout, out) => {
      for (const [pictures, size] of [
        ['camvid/val', '360x480'],
        ['cityscapes-sample', '1024x2048'],
      ]) {
        const folder = path.join(out, path.basename(pictures));
        // The pictures' own size, whatever a commit takes by itself.
        const options = ['--model', model, '--resize', size, '--out', folder];
        vnet(checkout, 'predict', path.join(data, pictures), ...options);
      }
    },
  },
  {
    name: 'training',
    run: (checkout, out) => {
      for (const { name, args, pictures } of training) {
        const dataset = smallDataset(pictures);
        const common = ['--epochs', epochs, '--batch', batch, '--validate-every', 0, '--cache', 64].map(
          String,
        );
        vnet(
          checkout,
          ...['train', '--data', dataset, '--out', path.join(out, name), '--no-report'],
          ...[...common, ...args],
        );
      }
    },
  },
  {
    name: 'arena',
    run: (checkout, out) => {
      const bytes = plans.map(({ args }) => {
        const { arenaBytes } = JSON.parse(vnet(checkout, 'plan', ...args, '--json')) as {
          arenaBytes: number;
        };
        return arenaBytes;
      });
      writeFileSync(path.join(out, 'arena.json'), JSON.stringify(bytes));
    },
  },
];
const chosen = parts.filter(({ name }) => flags.only === undefined || flags.only === name);
if (chosen.length === 0) command.error(`error: --only ${flags.only}: expected labels, training or arena`);

/** Computes all parts of a checkout, or finds them kept. @returns their folder. */
function results(checkout: string): string {
  const commit = git(checkout, 'rev-parse', '--short=10', 'HEAD');
  const clean = git(checkout, 'status', '--porcelain', '--untracked-files=no') === '';
  const folder = path.join(here, 'build/bits', clean ? commit : `${commit}-changed`);
  if (!clean) rmSync(folder, { recursive: true, force: true });
  for (const part of chosen) {
    const out = path.join(folder, part.name);
    if (existsSync(path.join(out, 'done'))) continue;
    console.error(`${path.basename(folder)}: ${part.name}`);
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    part.run(checkout, out);
    writeFileSync(path.join(out, 'done'), '');
  }
  return folder;
}

const rows: string[][] = [];
let differs = false;
const verdict = (what: string, equal: boolean, detail: string) => {
  differs ||= !equal;
  rows.push([what, equal ? 'equal' : '**differs**', detail]);
};

function compareLabels(before: string, after: string): void {
  for (const set of readdirSync(before).filter((name) => name !== 'done')) {
    let pictures = 0;
    let pixels = 0;
    let different = 0;
    const files = readdirSync(path.join(before, set), { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => /_labels?\w*\.png$/.test(name))) {
      const [a, b] = [before, after].map((folder) => decode(readFileSync(path.join(folder, set, file))));
      pictures++;
      pixels += a.width * a.height;
      if (a.width !== b.width || a.height !== b.height) different += a.width * a.height;
      else for (let i = 0; i < a.data.length; i++) if (a.data[i] !== b.data[i]) different++;
    }
    if (pictures === 0) throw new Error(`${before}/${set}: holds no labels`);
    const detail = different === 0 ? '' : `, ${different} pixels differ`;
    verdict(
      `labels, ${set === 'val' ? 'CamVid val' : set}`,
      different === 0,
      `${pictures} pictures, ${pixels} pixels${detail}`,
    );
  }
}

/** The float32 tensors of a safetensors file. */
function tensorsOf(file: string): Map<string, Float32Array> {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header).flatMap(([name, { data_offsets: at }]) =>
      name === '__metadata__'
        ? []
        : [[name, new Float32Array(new Uint8Array(bytes.subarray(start + at[0], start + at[1])).buffer)]],
    ),
  );
}

function compareTraining(before: string, after: string): void {
  for (const { name, exact, pictures } of training) {
    const steps = pictures === batch ? 1 : (pictures / batch) * epochs;
    const [a, b] = [before, after].map((folder) => tensorsOf(path.join(folder, name, 'last.safetensors')));
    const weights = [...a.keys()].filter((key) => !key.startsWith('optimizer/'));
    let equal = 0;
    let worst = 0;
    for (const key of weights) {
      const [mine, theirs] = [a.get(key)!, b.get(key)];
      if (theirs?.length !== mine.length) throw new Error(`${after}/${name}: has no ${key} of the same size`);
      const bits = new Uint32Array(mine.buffer);
      const others = new Uint32Array(theirs.buffer);
      if (bits.every((word, i) => word === others[i])) equal++;
      const largest = mine.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
      mine.forEach((value, i) => {
        worst = Math.max(worst, Math.abs(value - theirs[i]) / largest);
      });
    }
    const same = exact ? equal === weights.length : worst < roundingLimit;
    const detail = `${equal} of ${weights.length} tensors bit for bit${worst > 0 ? `, off by ${worst.toExponential(1)} of a tensor's largest` : ''}`;
    verdict(`weights after ${steps === 1 ? '1 step' : `${steps} steps`}, ${name}`, same, detail);
  }
}

function compareArena(before: string, after: string): void {
  const [a, b] = [before, after].map(
    (folder) => JSON.parse(readFileSync(path.join(folder, 'arena.json'), 'utf8')) as number[],
  );
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  plans.forEach(({ name }, i) => {
    const change = a[i] === b[i] ? 'equal' : b[i] < a[i] ? 'smaller' : 'larger';
    rows.push([`arena, ${name}`, change, `${mib(a[i])} → ${mib(b[i])} MiB`]);
  });
}

/** What counts as float32 rounding, of the largest value of a tensor: a few of its 6e-8. */
const roundingLimit = 5e-7;

const [before, after] = [results(other), results(here)];
const compare = { labels: compareLabels, training: compareTraining, arena: compareArena };
for (const { name } of chosen) {
  compare[name as keyof typeof compare](path.join(before, name), path.join(after, name));
}
console.log(`${path.basename(before)} → ${path.basename(after)}\n`);
console.log('| what | verdict | |\n| --- | --- | --- |');
for (const row of rows) console.log(`| ${row.join(' | ')} |`);
process.exitCode = differs ? 1 : 0;
