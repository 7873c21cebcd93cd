/**
 * A batch and a training through a queue while their processes die: `npm run test:queue`. Worker processes are killed
 * with -9, Redis is started anew and emptied, the coordinator of the training is killed and resumed. Ends with code 1
 * unless all files and weights are those of one process, bit for bit.
 */
import assert from 'node:assert/strict';
import {
  promises as fs,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { Redis } from 'ioredis';
import { whole } from '../../src/cli/options.js';
import { isFile } from '../../src/data/files.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { renderScene, writeSynthetic } from '../../src/data/synth.js';
import { readTraining } from '../../src/train/checkpoint.js';
import { seededRandom } from '../../test/backends/harness.js';
import type { Running } from '../../test/cli/vnet.js';
import { start, vnet } from '../../test/cli/vnet.js';
import { TestRedis } from '../../test/queue/redis.js';

const command = new Command('test:queue')
  .description('predict and train through a queue, while workers, coordinators and Redis die')
  .option('--images <n>', 'pictures of the batch', whole(1), 2000)
  .option('--seconds <n>', 'between two deaths of workers of the batch', whole(1), 3)
  .option('--kills <n>', 'workers of the training that die, at least', whole(0), 20)
  .option('--coordinators <n>', 'coordinators of the training that die, at least', whole(0), 5)
  .addOption(new Option('--only <part>', 'one of the two').choices(['predict', 'train']))
  .option('--seed <n>', 'of the order of deaths', whole(0), 16)
  .parse();
const flags = command.opts<
  Record<'images' | 'seconds' | 'kills' | 'coordinators' | 'seed', number> & { only?: 'predict' | 'train' }
>();
const rng = seededRandom(flags.seed);
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-queue-'));
const at = (...parts: string[]) => path.join(folder, ...parts);
const say = (line: string) => process.stdout.write(`${line}\n`);
const workers: Running[] = [];
const redis = await TestRedis.start();

function startWorker(): void {
  const all = ['worker', '--queue', redis.url, '--root', folder, '--data', at('data')];
  workers.push(start([...all, '--threads', '1', '--workers', '0']));
}

async function killOne(): Promise<void> {
  const [victim] = workers.splice(rng.int(workers.length), 1);
  victim.interrupt('SIGKILL');
  await victim.ended;
  startWorker();
}

async function succeeded(args: readonly string[]): Promise<void> {
  const { code, stderr } = await vnet(args);
  assert.equal(code, 0, stderr);
}

async function batch(): Promise<void> {
  mkdirSync(at('in'));
  for (let i = 0; i < flags.images; i++)
    writeFileSync(at('in', `p${i}.png`), await encodeRgbPng(renderScene(9, i, 64, 96).image));
  const options = ['--write', 'labels', 'labelme', '--resize', 'own'];
  await succeeded(['predict', at('in'), '--out', at('local'), ...options, '--device', 'wasm']);
  const began = performance.now();
  const queued = start(['predict', at('in'), '--out', at('queued'), ...options, '--queue', redis.url]);
  let ended = false;
  void queued.ended.then(() => {
    ended = true;
  });
  let [killed, restarts] = [0, 0];
  while (!ended) {
    await Promise.race([wait(1000 * flags.seconds), queued.ended]);
    if (ended) break;
    await killOne();
    killed++;
    const done = await fs.readdir(at('queued')).then(
      ({ length }) => length / 2,
      () => 0,
    );
    if (restarts === 0 && done > flags.images / 2) {
      restarts++;
      await redis.restart();
    }
  }
  const { code, stdout, stderr } = await queued.ended;
  assert.equal(code, 0, stderr);
  const names = readdirSync(at('local')).sort();
  assert.equal(names.length, 2 * flags.images);
  assert.deepEqual(readdirSync(at('queued')).sort(), names);
  for (const name of names)
    assert.ok(readFileSync(at('queued', name)).equals(readFileSync(at('local', name))), name);
  const twice = /(\d+) pictures were done twice/.exec(stderr)?.[1] ?? '0';
  say(
    `predict: ${flags.images} pictures, ${names.length} files equal to those of one process; ${killed} workers killed, Redis started anew ${restarts} times, ${twice} pictures done twice, ${((performance.now() - began) / 1000).toFixed(0)} s (${stdout.trim().split(':')[0]})`,
  );
}

async function training(): Promise<void> {
  // A worker dies in every fifth step, so that there are enough of them.
  const epochs = Math.ceil((5 * Math.max(flags.kills, 4 * flags.coordinators) + 20) / 2);
  const recipe = [
    'train',
    '--data',
    at('data'),
    '--epochs',
    String(epochs),
    '--batch',
    '2',
    '--accumulate',
    '4',
  ];
  recipe.push('--beta', '1', '--validate-every', '0', '--no-report', '--log-every', '1', '--device', 'wasm');
  await succeeded([...recipe, '--out', at('one')]);
  const out = ['--out', at('many')];
  const queue = ['--queue', redis.url];
  const control = new Redis(redis.url);
  control.on('error', () => undefined);
  const began = performance.now();
  let coordinator = start([...recipe, ...out, ...queue]);
  let ended = false;
  const watch = (running: Running) =>
    void running.ended.then(({ code }) => {
      // One that was killed has no code.
      if (code !== null) ended = true;
    });
  watch(coordinator);
  const step = () => {
    const file = at('many/metrics.jsonl');
    return isFile(file) ? readFileSync(file, 'utf8').split('\n').length : 0;
  };
  let [killed, resumed, flushed, restarts, seen, next] = [0, 0, 0, 0, 0, 3];
  while (!ended) {
    await wait(30);
    const now = step();
    if (now < next || ended) continue;
    next = now + 3 + rng.int(4);
    seen++;
    await killOne();
    killed++;
    if (seen % 3 === 0 && isFile(at('many/last.safetensors'))) {
      coordinator.interrupt('SIGKILL');
      await coordinator.ended;
      coordinator = start(['train', ...out, '--resume', ...queue]);
      watch(coordinator);
      resumed++;
    } else if (flushed === 0 && seen > 6) {
      flushed++;
      await control.flushall();
    } else if (restarts === 0 && seen > 8) {
      restarts++;
      await redis.restart();
    }
  }
  const { code, stderr } = await coordinator.ended;
  control.disconnect();
  assert.equal(code, 0, stderr);
  const [a, b] = await Promise.all(['many', 'one'].map((run) => readTraining(at(run, 'last.safetensors'))));
  let numbers = 0;
  for (const part of ['weights', 'optimizer'] as const) {
    assert.deepEqual([...a[part].keys()], [...b[part].keys()]);
    for (const [name, { data }] of b[part]) {
      assert.ok(Buffer.from(data.buffer).equals(Buffer.from(a[part].get(name)!.data.buffer)), name);
      numbers += data.length;
    }
  }
  assert.ok(killed >= flags.kills && resumed >= flags.coordinators && flushed + restarts === 2);
  say(
    `train: ${2 * epochs} steps of 4 batches, ${numbers} weights and moments equal to those of one process; ${killed} workers and ${resumed} coordinators killed, Redis emptied once and started anew once, ${((performance.now() - began) / 1000).toFixed(0)} s`,
  );
}

try {
  await writeSynthetic({ out: at('data'), count: 24, height: 48, width: 64, valFraction: 0.2, seed: 3 });
  for (let i = 0; i < 3; i++) startWorker();
  if (flags.only !== 'train') await batch();
  if (flags.only !== 'predict') await training();
} finally {
  for (const worker of workers) worker.interrupt('SIGKILL');
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}
