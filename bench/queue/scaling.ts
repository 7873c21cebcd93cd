/**
 * How far a training over machines scales: `npm run bench:queue`. Parts are measured on this machine: what a batch
 * takes; what a step of n batches over n machines costs Redis and the coordinator in processor time, in bytes, and in
 * trips that wait for one another, as lines a + b·n. Machines wait instead of computing, all else is real. From the
 * parts follows what 4, 16 and 64 machines make of a network; steps of machines that wait are shown beside.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { whole } from '../../src/cli/options.js';
import { Rng } from '../../src/data/rng.js';
import { median } from '../../src/median.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { QueueGradients } from '../../src/queue/gradients.js';
import { parseTrainConfig } from '../../src/train/config.js';
import { TrainingEngine } from '../../src/train/engine.js';
import { trainingPlan } from '../../src/train/plan.js';
import { TestRedis } from '../../test/queue/redis.js';

const { steps, waits } = new Command('bench:queue')
  .description('How far a training over machines scales, from parts that are measured here.')
  .option('--steps <n>', 'that are timed of each kind', whole(3), 8)
  .option('--waits <ms>', 'what a machine that waits takes for a batch', whole(1), 400)
  .addHelpText('after', '\nExample:\n  npm run bench:queue -- --steps 20')
  .parse()
  .opts<{ steps: number; waits: number }>();

const config = parseTrainConfig({ data: 'none', out: 'none' });
const network = networkFromConfig(config.network.name, { ...config.network.config, classes: 19 });
const sizes = [4, 16, 64];
/** Milliseconds. */
const warmUp = 4000;
/** Machines that wait are spread over as many processes. */
const hosts = 4;

/** An engine whose own batches have no importance, for all but {@link job}. */
async function engineOf(batch: number, height: number, width: number, threads: number) {
  const plan = trainingPlan(network, config, wasmBackend, { batch, height, width, weighted: false });
  const executor = await wasmBackend.prepare(plan, { threads });
  const { optimizer: kind, momentum, weightDecay } = config;
  return new TrainingEngine(executor, { kind, momentum, weightDecay }, config.average);
}

/** Milliseconds of a batch on all cores of this machine. */
async function job(batch: number, height: number, width: number, times: number): Promise<number> {
  const engine = await engineOf(batch, height, width, availableParallelism());
  const rng = Rng.of(7);
  const bytes = (n: number, below: number) => Uint8Array.from({ length: n }, () => rng.int(below));
  const pixels = batch * height * width;
  const data = { images: bytes(3 * pixels, 256), labels: bytes(pixels, 19) };
  const taken: number[] = [];
  const began = performance.now();
  while (taken.length < times) {
    const start = performance.now();
    await engine.contribution(data, 0);
    // Kernels are compiled twice, the second time well while they run.
    if (start - began > warmUp) taken.push(performance.now() - start);
  }
  await engine.executor.dispose();
  return median(taken);
}

/** Passes on to Redis what it is sent, and back, each after so many milliseconds. */
async function farAway(port: number, ms: number) {
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.setNoDelay(true).on('error', () => to.destroy());
    from.on('data', (bytes) => setTimeout(() => to.write(bytes), ms));
    from.on('close', () => to.destroy());
  };
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    pass(near, far);
    pass(far, near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `redis://127.0.0.1:${(server.address() as { port: number }).port}`, close };
}

/** Of a step, medians or means. */
interface Seen {
  readonly ms: number;
  readonly bytes: number;
  readonly commands: number;
  readonly redisMs: number;
  readonly coordinatorMs: number;
  readonly memory: number;
}

/** Steps of n batches over n machines that wait. @param delay milliseconds to Redis and as many back. */
async function stepsOf(n: number, ms: number, delay = 0): Promise<Seen> {
  const redis = await TestRedis.start();
  const place = delay > 0 ? await farAway(redis.port, delay) : redis;
  const engine = await engineOf(1, 48, 64, 1);
  const source = await QueueGradients.open(
    place.url,
    { config, engine, weights: undefined, fingerprint: '' },
    (line) => console.error(line),
  );
  const program = fileURLToPath(new URL('waiting.js', import.meta.url));
  const args = [place.url, n / hosts, ms, engine.runningLength].map(String);
  const children = Array.from({ length: hosts }, () => fork(program, args));
  try {
    await Promise.all(children.map((child) => once(child, 'message')));
    const times: number[] = [];
    let [before, processor] = [await redis.usage(), process.cpuUsage()];
    for (let step = 0; step <= steps; step++) {
      const start = performance.now();
      await engine.step(source.gradients({ epoch: 0, first: 0, count: n, step }), 1e-6, step + 1);
      if (step > 0) times.push(performance.now() - start);
      else [before, processor] = [await redis.usage(), process.cpuUsage()];
    }
    const { user, system } = process.cpuUsage(processor);
    const after = await redis.usage();
    const each = (name: 'bytes' | 'commands' | 'cpuMs') => (after[name] - before[name]) / steps;
    return {
      ms: median(times),
      ...{ bytes: each('bytes'), commands: each('commands'), redisMs: each('cpuMs') },
      coordinatorMs: (user + system) / 1000 / steps,
      memory: after.peak,
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await source.close();
    await engine.executor.dispose();
    if ('close' in place) place.close();
    await redis.stop();
  }
}

/** The line a + b·n through what was seen. */
function line(values: readonly number[]): (n: number) => number {
  const mean = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const [x, y] = [mean(sizes), mean(values)];
  const slope =
    sizes.reduce((sum, n, i) => sum + (n - x) * (values[i] - y), 0) /
    sizes.reduce((sum, n) => sum + (n - x) ** 2, 0);
  return (n) => Math.max(0, y + slope * (n - x));
}

const jobs = [
  { what: '4×360×480', ms: await job(4, 360, 480, 5) },
  { what: '4×1024×2048', ms: await job(4, 1024, 2048, 2) },
];
for (const { what, ms } of jobs) console.log(`a batch of ${what}: ${ms.toFixed(0)} ms`);
const near: Seen[] = [];
const trips: number[] = [];
const delay = 10;
for (const n of sizes) {
  const seen = await stepsOf(n, waits);
  near.push(seen);
  trips.push(((await stepsOf(n, waits, delay)).ms - seen.ms) / (2 * delay));
}
const of = {
  bytes: line(near.map(({ bytes }) => bytes)),
  redis: line(near.map(({ redisMs }) => redisMs)),
  coordinator: line(near.map(({ coordinatorMs }) => coordinatorMs)),
  trips: line(trips),
};
console.log(
  '\n| machines | MB | commands | Redis, ms | coordinator, ms | trips | memory of Redis, MB | step beyond the wait, ms |\n| --- | --- | --- | --- | --- | --- | --- | --- |',
);
for (const [i, n] of sizes.entries()) {
  const { bytes, commands, redisMs, coordinatorMs, memory, ms } = near[i];
  const cells = [
    ...[n, (bytes / 1e6).toFixed(1), commands.toFixed(0), redisMs.toFixed(1), coordinatorMs.toFixed(1)],
    ...[trips[i].toFixed(1), (memory / 1e6).toFixed(0), (ms - waits).toFixed(0)],
  ];
  console.log(`| ${cells.join(' | ')} |`);
}

/** Milliseconds of each part of a step of n batches over n machines, one after the other. */
const parts = (n: number, gbit: number, tripMs: number) => ({
  network: of.bytes(n) / (gbit * 125_000),
  trips: of.trips(n) * tripMs,
  Redis: of.redis(n),
  coordinator: of.coordinator(n),
});
const networks = [
  { gbit: 1, tripMs: 0.2 },
  { gbit: 10, tripMs: 0.1 },
];
for (const { what, ms } of jobs) {
  const heads = networks.map(({ gbit, tripMs }) => `${gbit} Gbit/s, ${tripMs} ms a trip | most of the rest`);
  console.log(
    `\n| ${what}, ${ms.toFixed(0)} ms: machines | ${heads.join(' | ')} |\n| --- |${' --- |'.repeat(2 * heads.length)}`,
  );
  for (const n of sizes) {
    const cells = networks.flatMap(({ gbit, tripMs }) => {
      const costs = Object.entries(parts(n, gbit, tripMs)).sort(([, a], [, b]) => b - a);
      const rest = costs.reduce((sum, [, cost]) => sum + cost, 0);
      const [[name, most]] = costs;
      return [
        `${((100 * ms) / (ms + rest)).toFixed(0)} %`,
        `${name} ${most.toFixed(0)} of ${rest.toFixed(0)} ms`,
      ];
    });
    console.log(`| ${n} | ${cells.join(' | ')} |`);
  }
  for (const { gbit, tripMs } of networks) {
    let n = 1;
    while (Object.values(parts(n, gbit, tripMs)).reduce((sum, cost) => sum + cost, 0) < ms) n++;
    console.log(`half of it is lost from ${n} machines on at ${gbit} Gbit/s`);
  }
}
