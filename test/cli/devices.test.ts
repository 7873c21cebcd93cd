import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { largePages } from '../../src/backends/wasm/runtime/largePages.js';
import { leastRule } from '../../src/backends/webgpu/leastRule.js';
import { largePagesText } from '../../src/cli/largePages.js';
import { compileTraining } from '../../src/compile.js';
import { listGpus, openDevice } from '../../src/device.js';
import { vnet as network } from '../../src/nets/vnet.js';
import { temporaryFolder, vnet } from './vnet.js';

const folder = temporaryFolder();
const gpus = await listGpus();
const hasRealGpu = gpus.some(({ isSoftware }) => !isSoftware);

/** Node options under which modules whose name ends like this cannot be found. */
function without(ending: string): Record<string, string> {
  const module = (code: string) => `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`;
  const resolve = module(
    `export const resolve = (name, context, next) => {
       if (name.endsWith('${ending}')) throw new Error('Cannot find ' + name);
       return next(name, context);
     };`,
  );
  return {
    NODE_OPTIONS: `--no-deprecation --import=${module(`import { register } from 'node:module'; register('${resolve}');`)}`,
  };
}

/** The last line is ours; graphics drivers may have written before it. */
const lastLine = (stderr: string): string => stderr.trimEnd().split('\n').at(-1)!;

test('vnet devices lists what the library finds, with type, features and limits', async () => {
  const [json, text] = await Promise.all([vnet(['devices', '--json']), vnet(['devices'])]);
  assert.equal(json.code, 0, json.stderr);
  assert.deepEqual(JSON.parse(json.stdout), gpus);
  assert.equal(text.code, 0);
  for (const { name, isSoftware } of gpus) {
    assert.ok(text.stdout.includes(`${name}\n  type            ${isSoftware ? 'software adapter' : 'GPU'}`));
  }
  assert.match(text.stdout, /CPU: --device wasm, \d+ threads/);
});

test('vnet devices says whether memory is in large pages, and how to have it so', async () => {
  const here = await largePages();
  if (here) assert.ok((await vnet(['devices'])).stdout.includes(`\n  ${largePagesText[here]}\n`));
  if (here !== 'asked') return;
  const refused = await vnet(['devices'], { VNET_LARGE_PAGES: '0' });
  assert.match(refused.stdout, /memory in small pages; .* VNET_LARGE_PAGES=0/);
  const missing = await vnet(['devices'], without('ffi-rs'));
  assert.match(
    missing.stdout,
    /memory in small pages; .*: npm install ffi-rs, or echo always \| sudo tee \/sys\//,
  );
});

test('plan --device: the arena of that backend, without a GPU', async () => {
  const plan = compileTraining(network({ classes: 19 }), {
    batch: 2,
    height: 64,
    width: 96,
    scratchBytes: leastRule(),
  });
  const [gpu, reference] = await Promise.all(
    ['webgpu', 'reference'].map((name) =>
      vnet(`plan --size 64x96 --batch 2 --device ${name} --json`.split(' ')),
    ),
  );
  assert.equal(JSON.parse(gpu.stdout).arenaBytes, plan.arenaBytes);
  assert.equal(JSON.parse(gpu.stdout).device, 'webgpu');
  const { scratchBytes: rule } = await openDevice('reference');
  const exact = compileTraining(network({ classes: 19 }), {
    batch: 2,
    height: 64,
    width: 96,
    scratchBytes: rule,
  });
  assert.equal(JSON.parse(reference.stdout).arenaBytes, exact.arenaBytes);
});

test('no GPU, a wrong name, a missing package: one line with what was looked for', async (t) => {
  const plan = 'plan --size 64x64'.split(' ');
  const out = path.join(folder, 'demo');
  const [wrong, both, unknown, absent] = await Promise.all([
    vnet([...plan, '--gpu', 'no such']),
    vnet([...plan, '--device', 'wasm', '--gpu', 'some']),
    vnet([...plan, '--device', 'cuda']),
    vnet([...plan, '--gpu', 'any'], without('webgpu')),
  ]);
  assert.equal(wrong.code, 1);
  assert.match(lastLine(wrong.stderr), /^vnet: --gpu no such: no such GPU; (there are: |WebGPU finds none)/);
  assert.equal(both.code, 2);
  assert.match(both.stderr, /^vnet: --gpu some: has no meaning with --device wasm[^\n]+\n$/);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /'cuda' is invalid. Expected auto, webgpu or wasm/);
  assert.equal(absent.code, 1);
  assert.match(
    absent.stderr,
    /^vnet: --gpu any: the optional package 'webgpu' cannot be loaded on [^\n]+Cannot find webgpu[^\n]+--device wasm\n$/,
  );
  if (hasRealGpu) return t.diagnostic('a real GPU: its absence is not tested');
  const none = await vnet(['demo', '--device', 'webgpu', '--out', out]);
  assert.equal(none.code, 1);
  assert.match(lastLine(none.stderr), /^vnet: --device webgpu: [^\n]*looked for [^\n]+--device wasm/);
  assert.ok(!existsSync(out), 'nothing was made');
});

test('the CPU needs nothing of WebGPU', async () => {
  const env = without('webgpu/index.js');
  const args = 'plan --size 64x64 --json --device'.split(' ');
  const wasm = await vnet([...args, 'wasm'], env);
  assert.equal(wasm.code, 0, wasm.stderr);
  assert.equal(wasm.stderr, '');
  assert.equal(JSON.parse(wasm.stdout).device, 'wasm');
  assert.notEqual((await vnet(['devices'], env)).code, 0, 'the hook works');
});
