/**
 * Races networks on CPU cores against every peer that is installed, in one run, turn by turn.
 *
 *     npm run bench:cpu -- [--networks vnet] [--size 1024x2048] [--threads 2] [--rounds 7] [--before 2] [--only training]
 *         [--base NAME] [--isa avx2] [--json FILE]
 *
 * `--base` names the program that the times are divided by, such as 'vnet --precision i16'. `--isa avx2` hides AVX-512 from all
 * programs, so that a machine which has it fills the table of one that has not.
 *
 * VNet is raced in inference and training; other networks in inference, against what runs their exported ONNX model.
 *
 * `PYTHON` names the interpreter that has PyTorch (default python3), `PEERS` a folder with the packages that this
 * project does not depend on (see `importPeer`). Each program is a process of its own with the same weights; before
 * anything is timed, its labels or its loss are compared with ours. Prints Markdown tables.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { type PixelSize, sizeOption, whole } from '../../src/cli/options.js';
import { Rng } from '../../src/data/rng.js';
import { exportOnnx } from '../../src/interop/onnx.js';
import { median } from '../../src/median.js';
import { encodeSafetensors } from '../../src/model/safetensors.js';
import { modelSlots, smallestPlan } from '../../src/model/slots.js';
import type { Network } from '../../src/nets/index.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { initialWeights } from '../../src/nets/initialize.js';
import { avx2Environment } from '../peers/avx2.js';
import { PeerProcess } from '../peers/process.js';
import { programsFor, short } from '../peers/programs.js';
import type { Answer, Mode } from '../peers/protocol.js';
import { race, ratio } from '../statistics.js';

const flags = new Command('bench:cpu')
  .description(
    'Races networks on CPU cores against every peer that is installed, in one run, turn by turn. Prints Markdown tables.',
  )
  .option('--networks <list>', 'names with commas between', 'vnet')
  .addOption(sizeOption())
  .option('--threads <n>', 'threads of every program', whole(1, 256), 2)
  .option('--rounds <n>', 'timed turns of each program', whole(1), 7)
  .option(
    '--before <n>',
    'runs of a program right before the one that is timed; 0: it comes straight after the pause',
    whole(0),
    2,
  )
  .option('--only <text>', 'only jobs whose title contains this, such as training', '')
  .option('--base <program>', 'whose time the others are divided by', 'vnet')
  .addOption(
    new Option('--isa <name>', 'instructions that programs see: avx2 hides AVX-512 (Linux, x86-64, cc)')
      .choices(['native', 'avx2'])
      .default('native'),
  )
  .option('--json <file>', 'write all times to a file')
  .addHelpText(
    'after',
    '\nExample:\n  npm run bench:cpu -- --networks vnet,erfnet --size 512x1024 --rounds 5',
  )
  .parse()
  .opts<{
    networks: string;
    size: PixelSize;
    threads: number;
    rounds: number;
    before: number;
    only: string;
    base: string;
    isa: 'native' | 'avx2';
    json?: string;
  }>();
const { threads, rounds, before } = flags;
const { height, width } = flags.size;

interface Job {
  readonly net: Network;
  readonly name: string;
  readonly mode: Mode;
  readonly shape: readonly [number, number, number];
}
const jobs: readonly Job[] = flags.networks.split(',').flatMap((name): Job[] => {
  const net = networkFromConfig(name, { classes: 19 });
  const inference = `${name}, inference 1×${height}×${width}, bytes to`;
  const shape = [1, height, width] as const;
  const jobs: Job[] = [
    { net, name: `${inference} labels`, mode: 'infer', shape },
    { net, name: `${inference} logits of the head`, mode: 'logits', shape },
  ];
  if (name !== 'vnet') return jobs;
  return [
    ...jobs,
    { net, name: 'vnet, training step 1×512×1024', mode: 'train', shape: [1, 512, 1024] },
    { net, name: 'vnet, training step 4×360×480', mode: 'train', shape: [4, 360, 480] },
  ];
});

/** What one program did in one job. */
interface Result {
  readonly job: string;
  readonly program: string;
  readonly ms: readonly number[];
  readonly cpuMs: readonly number[];
  /** Time divided by that of the base. */
  readonly ratio: { readonly median: number; readonly min: number; readonly max: number };
  /** How its result compares with ours. */
  readonly agreement: string;
  readonly peakRssBytes: number;
}

const folder = await mkdtemp(join(tmpdir(), 'vnet-bench-'));
const file = (name: string): string => join(folder, name);
/** Of every program's process. */
let environment = process.env;

/** Writes what all programs of a job read. */
async function writeInputs({ net, mode, shape: [batch, height, width] }: Job): Promise<void> {
  const plan = smallestPlan(net);
  const slots = modelSlots(plan);
  const weights = new Map([...initialWeights(plan, 1)].filter(([name]) => slots.has(name)));
  const tensors = [...weights].map(
    ([name, data]) => [name, { shape: slots.get(name)!.shape, data }] as const,
  );
  await writeFile(file('weights'), encodeSafetensors(new Map(tensors), {}));
  if (mode !== 'train') {
    const output = mode === 'infer' ? 'labels' : 'logits';
    await writeFile(file('onnx'), exportOnnx(net, weights, { height, width, output }));
  }
  const rng = Rng.of(7);
  const random = (length: number, below: number) => Uint8Array.from({ length }, () => rng.int(below));
  await writeFile(file('images'), random(batch * height * width * 3, 256));
  await writeFile(file('labels'), random(batch * height * width, net.classes));
}

/** Networks that put values back where a max pooling took them from. */
const unpools = new Set(['enet', 'segnet']);

/** Agreement of a first run with ours. @throws where it is another network. */
async function compare({ net, mode }: Job, name: string, ours: Answer, theirs: Answer): Promise<string> {
  if (mode === 'train') {
    const difference = Math.abs(theirs.loss! / ours.loss! - 1);
    if (!(difference < 1e-3)) throw new Error(`${name}: its loss is ${theirs.loss}, ours is ${ours.loss}`);
    return `loss equal to ${difference.toExponential(0)}`;
  }
  const [mine, other] = await Promise.all([readFile(file('vnet')), readFile(file(name))]);
  if (mode === 'logits') {
    const values = (bytes: Buffer) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const [a, b] = [values(mine), values(other)];
    if (a.length !== b.length) throw new Error(`${name}: ${b.length} logits instead of ${a.length}`);
    // Ours are N×h×w×C, ONNX's N×C×h×w; the batch is one image.
    const pixels = a.length / net.classes;
    const at = (i: number) => (i % net.classes) * pixels + Math.floor(i / net.classes);
    if (unpools.has(net.name)) {
      // Where two values of a pooling are all but equal, programs choose differently, and unpooling spreads it.
      const classOf = (value: (c: number) => number) => {
        let best = 0;
        for (let c = 1; c < net.classes; c++) if (value(c) > value(best)) best = c;
        return best;
      };
      let same = 0;
      for (let p = 0; p < pixels; p++) {
        const mineAt = classOf((c) => a[p * net.classes + c]);
        if (mineAt === classOf((c) => b[c * pixels + p])) same++;
      }
      if (!(same >= 0.98 * pixels))
        throw new Error(
          `${name}: only ${((100 * same) / pixels).toFixed(2)} % of its largest logits are ours`,
        );
      return `${((100 * same) / pixels).toFixed(4)} % of largest logits`;
    }
    const difference = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[at(i)])), 0);
    const relative = difference / a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (!(relative < 1e-3)) throw new Error(`${name}: its logits are off by ${relative}`);
    return `logits equal to ${relative.toExponential(0)}`;
  }
  const equal = mine.reduce((sum, label, i) => sum + (label === other[i] ? 1 : 0), 0) / mine.length;
  if (!(equal > (name === short ? 0.95 : unpools.has(net.name) ? 0.98 : 0.999)))
    throw new Error(`${name}: only ${(100 * equal).toFixed(2)} % of its labels are ours`);
  return `${(100 * equal).toFixed(4)} % of labels`;
}

/** One more run of a program; `undefined` where it crashes. @throws where that is our own. */
async function again(name: string, peer: PeerProcess): Promise<Answer | undefined> {
  try {
    return await peer.ask({ cmd: 'run', images: file('images'), labels: file('labels') });
  } catch (error) {
    if (name === 'vnet') throw error;
    console.error(`${name}: left out, a later run failed (${(error as Error).message})`);
    return undefined;
  }
}

async function run(job: Job): Promise<Result[]> {
  await writeInputs(job);
  const load = {
    cmd: 'load',
    mode: job.mode,
    network: job.net.name,
    config: job.net.config,
    weights: file('weights'),
    onnx: file('onnx'),
    shape: job.shape,
    threads,
  } as const;
  const peers: {
    name: string;
    title: string;
    peer: PeerProcess;
    agreement: string;
    cpuMs: number[];
    peakRss: number;
  }[] = [];
  let ours: Answer | undefined;
  for (const program of programsFor(job.mode, job.net.name)) {
    const { name } = program;
    const started = await PeerProcess.start(program, load, environment);
    if ('reason' in started) {
      console.error(`${name}: left out (${started.reason})`);
      continue;
    }
    const { peer, version } = started;
    console.error(`${job.name}: ${name}`);
    let answer: Answer;
    try {
      answer = await peer.ask({
        cmd: 'run',
        images: file('images'),
        labels: file('labels'),
        predicted: file(name),
      });
    } catch (error) {
      // A peer that crashes leaves the race; without our own there is none.
      if (name === 'vnet') throw error;
      console.error(`${name}: left out, its first run failed (${(error as Error).message})`);
      continue;
    }
    ours ??= answer;
    const agreement = name === 'vnet' ? '' : await compare(job, name, ours, answer);
    peers.push({
      name,
      title: version ? `${name} (${version})` : name,
      peer,
      agreement,
      cpuMs: [],
      peakRss: 0,
    });
  }
  const times = await race(
    Object.fromEntries(
      peers.map((entry) => [
        entry.name,
        async () => {
          const next = () => again(entry.name, entry.peer);
          for (let i = 0; i < before; i++) if (!(await next())) return undefined;
          const answer = await next();
          if (!answer) return undefined;
          entry.peakRss = answer.peakRssBytes;
          entry.cpuMs.push(answer.cpuMs!);
          return answer.ms!;
        },
      ]),
    ),
    rounds,
    400,
  );
  for (const { peer } of peers) peer.close();
  const finished = peers.filter(({ name }) => times[name]);
  return finished.map(({ name, title, agreement, cpuMs, peakRss }) => ({
    job: job.name,
    program: title,
    ms: times[name],
    cpuMs: cpuMs.slice(1),
    ratio: ratio(times[name], times[flags.base] ?? times.vnet),
    agreement,
    peakRssBytes: peakRss,
  }));
}

/** Prints the table of a job. */
function print(job: string, results: readonly Result[]): void {
  console.log(`\n### ${job}\n`);
  console.log(
    '| program | ms | time / base (min–max) | processor ms | process, MB | its result against ours |',
  );
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const { program, ms, cpuMs, ratio: r, agreement, peakRssBytes } of results) {
    const against =
      program === flags.base ? '1' : `**${r.median.toFixed(2)}** (${r.min.toFixed(2)}–${r.max.toFixed(2)})`;
    const megabytes = (peakRssBytes / 1e6).toFixed(0);
    console.log(
      `| ${program} | ${median(ms).toFixed(0)} | ${against} | ${median(cpuMs).toFixed(0)} | ${megabytes} | ${agreement} |`,
    );
  }
}

console.log(
  `${cpus()[0].model}, ${threads} threads, Node ${process.version}${flags.isa === 'avx2' ? ', AVX-512 hidden' : ''}, medians of ${rounds} rounds in turn`,
);
const results: Result[] = [];
try {
  if (flags.isa === 'avx2') environment = avx2Environment(folder);
  for (const job of jobs.filter(({ name }) => name.includes(flags.only))) {
    const done = await run(job);
    print(job.name, done);
    results.push(...done);
    if (flags.json) await writeFile(flags.json, JSON.stringify(results, null, 1));
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true });
}
