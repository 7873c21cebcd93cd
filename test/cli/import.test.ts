import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { loadModel, shippedModel } from '../../src/model/load.js';
import { temporaryFolder, vnetHere } from './vnet.js';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);

/** Names of the tensors that differ in any bit. */
async function differing(a: string, b: string): Promise<string[]> {
  const [first, second] = [await loadModel(a), await loadModel(b)];
  assert.deepEqual([...second.weights.keys()], [...first.weights.keys()]);
  return [...first.weights].flatMap(([name, data]) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(
      Buffer.from(second.weights.get(name)!.slice().buffer),
    )
      ? []
      : [name],
  );
}

test('what is exported for PyTorch comes back bit for bit', async () => {
  const written = await vnetHere(['export', 'camvid', '--safetensors', at('state.safetensors')]);
  assert.equal(written.code, 0, written.stderr);
  const read = await vnetHere(['import', at('state.safetensors'), '--out', at('back.safetensors')]);
  assert.equal(read.code, 0, read.stderr);
  assert.match(read.stdout, /: vnet, \d+ tensors, [\d\s, ]+ numbers, 11 classes \(camvid\)/);
  assert.deepEqual(await differing(shippedModel, at('back.safetensors')), []);
});

test('a model of this program is taken as it is, under other classes where asked', async () => {
  const copied = await vnetHere(['import', shippedModel, '--out', at('copy.safetensors')]);
  assert.equal(copied.code, 0, copied.stderr);
  assert.deepEqual(await differing(shippedModel, at('copy.safetensors')), []);
  const names = Array.from({ length: 11 }, (_, i) => `kind ${i}`);
  writeFileSync(at('classes.json'), JSON.stringify({ names }));
  const args = ['--classes', at('classes.json'), '--ignore-class', 'kind 3', '--net', 'vnet'];
  const renamed = await vnetHere(['import', shippedModel, '--out', at('renamed.safetensors'), ...args]);
  assert.equal(renamed.code, 0, renamed.stderr);
  const { info } = await loadModel(at('renamed.safetensors'));
  assert.deepEqual(info.classes.names, names);
  assert.deepEqual(info.classes.ignored, [3]);
  assert.deepEqual(info.trained, (await loadModel(shippedModel)).info.trained);
});

test('what a model of this program cannot be: one line each', async () => {
  for (const [args, message] of [
    [['--net', 'enet'], /^vnet: .*: is a model of vnet, not of enet\n$/],
    [['--order', 'bgr'], /^vnet: --order: has no meaning for .*\n$/],
    [['--config', '{"alpha":2}'], /^vnet: --config: has no meaning for .*\n$/],
    [['--classes', 'cityscapes'], /^vnet: --classes cityscapes: has 19 classes, but the checkpoint 11\n$/],
    [['--ignore-class', 'nothing'], /^vnet: --ignore-class nothing: is no class; they are .*\n$/],
  ] as const) {
    const { code, stderr } = await vnetHere(['import', shippedModel, '--out', at('no.safetensors'), ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});
