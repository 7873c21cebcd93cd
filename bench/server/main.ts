/**
 * `npm run test:server -- [PARTS]`: a server under load, past its capacity, killed, and attacked; and beside one in Python.
 * Every part that finds a fault makes the exit code 1.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Argument, Command } from 'commander';
import { real, whole } from '../../src/cli/options.js';
import { runCli } from '../../src/cli/program.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { Rng } from '../../src/data/rng.js';
import { renderScene } from '../../src/data/synth.js';
import { attacks } from './hostile.js';
import type { Picture, Shot } from './load.js';
import { load, percentile, statuses } from './load.js';
import type { Spawned } from './spawned.js';
import { spawnServer, spawnVnet } from './spawned.js';

const parts = ['load', 'overload', 'restart', 'hostile', 'peer'] as const;
const command = new Command('test:server')
  .description(
    'A server under load, past its capacity, killed and attacked.\n\n' +
      '  load      clients with pictures of mixed sizes: p50, p95, p99, no error, no growth of memory\n' +
      '  overload  more clients than may wait: 429 and Retry-After, then as before\n' +
      '  restart   killed with SIGKILL under load and started again\n' +
      '  hostile   damaged, lying and slow requests of sixteen kinds\n' +
      '  peer      one size, then mixed sizes, beside FastAPI with onnxruntime (needs --python with both)',
  )
  .addArgument(new Argument('[parts...]', 'default: all but peer').choices(parts))
  .option('--minutes <n>', 'of load', real(0.05), 10)
  .option('--clients <n>', 'at a time', whole(1, 1000), 32)
  .option('--attacks <n>', 'in all', whole(1), 2000)
  .option('--seed <n>', 'of the attacks', whole(0), Date.now() % 1e6)
  .option('--python <command>', 'with fastapi, uvicorn, onnxruntime, pillow', 'python3')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run test:server -- load --minutes 1\n  npm run test:server -- hostile --seed 5',
  )
  .parse();
const {
  minutes,
  clients,
  attacks: attackCount,
  seed,
  python,
} = command.opts<{
  minutes: number;
  clients: number;
  attacks: number;
  seed: number;
  python: string;
}>();
const positionals = command.args;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const faults: string[] = [];
const fault = (text: string): void => {
  faults.push(text);
  console.log(`FAULT: ${text}`);
};

/** Streets of some sizes, as PNG. */
const pictures = (sizes: readonly (readonly [number, number])[]): Promise<Picture[]> =>
  Promise.all(
    sizes.map(async ([height, width], i) => {
      const { image } = renderScene(7, i, height, width);
      const bytes = (await encodeRgbPng(image, 1)) as Uint8Array<ArrayBuffer>;
      return { name: `${height}×${width}`, bytes };
    }),
  );

const mixed = await pictures([
  [360, 480],
  [480, 640],
  [240, 320],
  [540, 960],
  [720, 1280],
  [375, 500],
  [333, 444],
  [360, 640],
  [600, 800],
  [1080, 1920],
]);

function report(name: string, shots: readonly Shot[], seconds: number): void {
  const done = shots.filter(({ status }) => status === 200).length;
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentile(shots, share).toFixed(0));
  console.log(
    `${name}: ${(done / seconds).toFixed(1)} pictures/s, p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms, statuses ${JSON.stringify(statuses(shots))}`,
  );
}

const onlyDone = (name: string, shots: readonly Shot[]): void => {
  const others = shots.filter(({ status }) => status !== 200);
  if (others.length > 0)
    fault(`${name}: ${others.length} of ${shots.length} requests were not answered with 200`);
};

async function underLoad(): Promise<void> {
  const server = await spawnVnet();
  const memory: number[] = [];
  const seconds = 60 * minutes;
  const shots = await load(
    () => server.url,
    '/v1/segment',
    mixed,
    clients,
    seconds,
    () => memory.push(server.rss()),
  );
  report(`load, ${clients} clients, ${minutes} min`, shots, seconds);
  onlyDone('load', shots);
  // All sizes have been seen by then.
  const settled = memory.slice(Math.floor(memory.length / 4));
  const [first, last] = [settled.slice(0, 30), settled.slice(-30)].map((part) => Math.max(...part));
  console.log(`memory: ${mebibytes(first)} after a quarter, ${mebibytes(last)} at the end`);
  if (last > 1.1 * first + 32 * 2 ** 20) fault('load: memory grows');
  const code = await server.end();
  if (code !== 0) fault(`load: the server ended with ${code}`);
}

async function overloaded(): Promise<void> {
  const server = await spawnVnet(['--max-waiting', '16']);
  const over = await load(() => server.url, '/v1/segment', mixed, 4 * clients, 20);
  report(`overload, ${4 * clients} clients, 16 may wait`, over, 20);
  const counts = statuses(over);
  if (!counts[429]) fault('overload: nobody was told to wait');
  if (over.some(({ status, told }) => status === 429 && !told)) fault('overload: 429 without Retry-After');
  if (Object.keys(counts).some((status) => !['200', '429', '503'].includes(status))) {
    fault(`overload: statuses ${Object.keys(counts).join(', ')}`);
  }
  const after = await load(() => server.url, '/v1/segment', mixed, 4, 10);
  report('afterwards, 4 clients', after, 10);
  onlyDone('after the overload', after);
  await server.end();
}

async function restarted(): Promise<void> {
  let server: Spawned = await spawnVnet();
  const port = Number(new URL(server.url).port);
  let kills = 0;
  const shots: Shot[] = [];
  const running = load(() => server.url, '/v1/segment', mixed, 8, 30).then((all) => shots.push(...all));
  while (kills < 5) {
    await sleep(4000);
    await server.end('SIGKILL');
    server = await spawnVnet([], port);
    kills++;
  }
  await running;
  report(`restart, killed ${kills} times`, shots, 30);
  // Connections are cut, answers are whole.
  const strange = new Set(
    shots.map(({ status }) => status).filter((status) => status !== 200 && status !== 0),
  );
  if (strange.size > 0) fault(`restart: statuses ${[...strange].join(', ')}`);
  onlyDone('after the restarts', await load(() => server.url, '/v1/segment', mixed, 4, 5));
  await server.end();
}

/** What no answer may tell: folders of this machine, lines of the program. */
const paths = new RegExp(
  [process.cwd(), homedir(), tmpdir(), 'node_modules', 'root:x:', String.raw`\.[jt]s:\d`]
    .map((text, i) => (i < 4 ? text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : text))
    .join('|'),
);

/** A gauge of `/metrics`. */
async function gauge(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
}

async function attacked(): Promise<void> {
  console.log(`hostile: seed ${seed}`);
  const server = await spawnVnet(['--timeout', '5', '--memory', '256M', '--max-bytes', '8M']);
  const { hostname, port } = new URL(server.url);
  const kinds = Object.entries(attacks);
  const count = attackCount;
  const answers: Record<string, Record<string, number>> = {};
  let sent = 0;
  const attacker = async (): Promise<void> => {
    while (sent < count) {
      const at = sent++;
      const [name, attack] = kinds[at % kinds.length];
      const { status, text } = await attack(hostname, Number(port), Rng.of(seed, at));
      answers[name] ??= {};
      answers[name][status] = (answers[name][status] ?? 0) + 1;
      if (status >= 500 && status !== 503) fault(`hostile: ${name} was answered with ${status}`);
      if (paths.test(text)) fault(`hostile: ${name} was told a path: ${text.slice(-300)}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, attacker));
  for (const [name, statuses] of Object.entries(answers))
    console.log(`  ${name}: ${JSON.stringify(statuses)}`);
  console.log(`hostile: ${sent} requests, peak memory ${mebibytes(server.peakRss())}`);
  if (server.died()) fault('hostile: the server died');
  if (server.peakRss() > 768 * 2 ** 20) fault(`hostile: ${mebibytes(server.peakRss())} of memory`);
  const log = server.log();
  if (/"level":(50|60)/.test(log)) fault(`hostile: an unexpected error: ${log.slice(0, 500)}`);
  for (const [name, most] of [
    ['vnet_arena_bytes', 256 * 2 ** 20],
    ['vnet_body_bytes', 0],
    ['vnet_waiting', 0],
  ] as const) {
    const value = await gauge(server.url, name);
    if (!(value <= most)) fault(`hostile: ${name} is ${value} afterwards, ${most} is the most`);
  }
  onlyDone('after the attacks', await load(() => server.url, '/v1/segment', mixed.slice(0, 3), 2, 5));
  await server.end();
}

/** Both in turn, three times; each network sees pictures at their own size. */
async function besidePython(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'vnet-peer-'));
  const script = fileURLToPath(new URL('../../../bench/server/peer.py', import.meta.url));
  try {
    for (const [sizes, size, many] of [
      ['360×480', '360x480', 8],
      ['mixed sizes', undefined, clients],
    ] as const) {
      const model = path.join(folder, `${size ?? 'any'}.onnx`);
      await runCli(['export', 'camvid', '--onnx', model, ...(size ? ['--size', size] : [])]);
      const streets = size ? mixed.slice(0, 1) : mixed;
      const peer = await spawnServer(python, [script, model, '2']);
      const ours = await spawnVnet(['--threads', '2']);
      for (let round = 0; round < 3; round++) {
        for (const [name, server] of [
          ['vnet serve', ours],
          ['FastAPI + onnxruntime', peer],
        ] as const) {
          const path = '/v1/segment?size=own';
          await load(() => server.url, path, streets, many, 3);
          const shots = await load(() => server.url, path, streets, many, 15);
          report(`${name}, ${many} clients, ${sizes}`, shots, 15);
          console.log(`  peak memory ${mebibytes(server.peakRss())}`);
        }
      }
      await Promise.all([ours.end(), peer.end()]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const runs: Record<(typeof parts)[number], () => Promise<void>> = {
  load: underLoad,
  overload: overloaded,
  restart: restarted,
  hostile: attacked,
  peer: besidePython,
};
const chosen = positionals.length > 0 ? positionals : parts.filter((part) => part !== 'peer');
for (const part of parts) if (chosen.includes(part)) await runs[part]();
console.log(faults.length === 0 ? 'no fault' : `${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
