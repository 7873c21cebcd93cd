import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Choices, signatureOf } from '../../src/backends/webgpu/choices.js';
import { defaultsOf } from '../../src/backends/webgpu/defaults.js';
import { leastCapabilities } from '../../src/backends/webgpu/kernels/kernel.js';
import { leastRule } from '../../src/backends/webgpu/leastRule.js';
import { choicesFileOf, recall, remember } from '../../src/backends/webgpu/remembered.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import { MemoryFiles } from '../../src/data/storage/named.js';
import { cacheFolder } from '../../src/devices/cacheFolder.js';
import { UserError } from '../../src/errors.js';
import { vnet } from '../../src/nets/vnet.js';
import { temporaryFolder } from '../cli/vnet.js';

const infoOf = (description: string) =>
  ({ vendor: 'acme', architecture: 'one', device: '', description }) as GPUAdapterInfo;
const info = infoOf('Acme One: 12.3 (driver 4)');
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

test('what was measured is found again, by adapter and driver, beside what was measured before', async () => {
  const files = new MemoryFiles();
  assert.deepEqual((await recall(files, info)).entries(), []);
  await remember(
    files,
    info,
    new Choices([
      ['a', 'x'],
      ['b', 'y'],
    ]),
  );
  await remember(
    files,
    info,
    new Choices([
      ['b', 'z'],
      ['c', 'w'],
    ]),
  );
  assert.deepEqual((await recall(files, info)).entries(), [
    ['a', 'x'],
    ['b', 'z'],
    ['c', 'w'],
  ]);
  assert.deepEqual((await recall(files, infoOf('Acme One: 12.4 (driver 4)'))).entries(), []);
  assert.match(choicesFileOf(info), /^acme-one-acme-one-12-3-driver-4-[0-9a-f]{8}\.json$/);
});

test('a file that is damaged or of somebody else: one line, and the next measurement replaces it', async () => {
  const files = new MemoryFiles();
  const name = choicesFileOf(info);
  await remember(files, info, new Choices([['a', 'x']]));
  const good = JSON.parse(new TextDecoder().decode(await files.read(name)));
  const damaged: [Uint8Array, RegExp][] = [
    [(await files.read(name))!.slice(0, -5), /not JSON/],
    [Uint8Array.of(0xff, 0xfe, 0), /not JSON/],
    [bytesOf([]), /format|the file/],
    [bytesOf({ ...good, choices: [['a']] }), /choices\.0/],
    [bytesOf({ ...good, choices: [['a', 7]] }), /choices\.0\.1/],
    [bytesOf({ ...good, choices: Array(50_001).fill(['a', 'b']) }), /choices/],
    [bytesOf({ ...good, more: 1 }), /more/],
    [new Uint8Array((16 << 20) + 1).fill(32), /expected at most 16777216/],
  ];
  for (const [bytes, reason] of damaged) {
    await files.write(name, bytes);
    await assert.rejects(recall(files, info), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, reason);
      assert.match(error.message, /^acme-one\S+ in memory: [^\n]+ measure again$/);
      return true;
    });
  }
  // Of kernels that are no more, or of another GPU: no damage, but nothing to use.
  for (const change of [{ kernels: 0 }, { adapter: 'another' }]) {
    await files.write(name, bytesOf({ ...good, ...change }));
    assert.deepEqual((await recall(files, info)).entries(), []);
  }
  await files.write(name, Uint8Array.of(1));
  await remember(files, info, new Choices([['a', 'y']]));
  assert.deepEqual((await recall(files, info)).entries(), [['a', 'y']]);
});

test('the cache folder: nothing is left beside the file, a write that fails leaves the old one', async (t) => {
  const folder = temporaryFolder();
  const before = process.env.XDG_CACHE_HOME;
  t.after(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  });
  process.env.XDG_CACHE_HOME = folder;
  const files = cacheFolder('webgpu');
  assert.equal(files.place, path.join(folder, 'vnet-segmentation', 'webgpu'));
  assert.equal(await files.read('none.json'), undefined);
  const name = await remember(files, info, new Choices([['a', 'x']]));
  assert.deepEqual(readdirSync(files.place), [name]);
  assert.deepEqual((await recall(files, info)).entries(), [['a', 'x']]);
  writeFileSync(path.join(folder, 'file'), 'a file where a folder should be');
  process.env.XDG_CACHE_HOME = path.join(folder, 'file');
  await assert.rejects(remember(cacheFolder('webgpu'), info, new Choices()), UserError);
});

test('defaults by family: the first rule that fits', () => {
  const plan = compileInference(vnet({ classes: 5 }), {
    ...{ batch: 1, height: 64, width: 96 },
    scratchBytes: leastRule(),
  });
  const [call, second] = plan.calls.filter(({ op }) => op === 'conv2d');
  const able = { ...leastCapabilities, family: { vendor: 'acme', architecture: 'one' } };
  const rules = [
    { vendor: 'other', op: 'conv2d', take: 'no: another vendor' },
    { vendor: 'acme', architecture: 'two', op: 'conv2d', take: 'no: another architecture' },
    { op: 'copy', take: 'no: another op' },
    { op: 'conv2d', when: () => false, take: 'no: a condition' },
    { vendor: 'acme', architecture: 'one', op: 'conv2d', take: 'exact' },
    { op: 'conv2d', second: 'conv2d', take: 'of two' },
    { op: 'conv2d', take: 'any' },
  ] as const;
  assert.deepEqual([...defaultsOf([call], able, rules)], ['exact', 'any']);
  assert.deepEqual([...defaultsOf([call, second], able, rules)], ['of two']);
});

test('signatures tell apart what kernels compute differently, and nothing else', () => {
  const size = { batch: 1, height: 64, width: 96, scratchBytes: leastRule() };
  const net = vnet({ classes: 5, alpha: 1, beta: 1 });
  const named = (plan: ReturnType<typeof compileInference>, label: string) =>
    signatureOf(plan.calls.find((call) => call.op === 'conv2d' && call.label === label)!);
  const inference = compileInference(net, size);
  const training = compileTraining(net, size);
  assert.equal(named(training, 'stem.conv2.conv2d'), named(training, 'stem.conv2.conv2d/again'));
  assert.notEqual(named(inference, 'stage3.v1.F.conv1.conv2d'), named(inference, 'stage3.v1.F.conv2.conv2d'));
  // In a step the weights are no constants: what is made of them is made at every run.
  const label = 'head.conv2d';
  assert.match(named(inference, label), / const .*weight/);
  assert.doesNotMatch(named(training, label), / const /);
});
