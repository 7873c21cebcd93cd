import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { averageModels } from '../../src/model/average.js';
import { readModel, writeModel } from '../../src/model/file.js';
import { shippedModel } from '../../src/model/load.js';
import { temporaryFolder, vnetHere } from '../cli/vnet.js';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);
const shipped = await readModel(shippedModel);
/** The shipped model with every number multiplied. */
const times = (factor: number) => ({
  info: shipped.info,
  weights: new Map(
    [...shipped.weights].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((v) => factor * v) },
    ]),
  ),
});

test('average: the mean of every number, without the score of the parts', async () => {
  const { info, weights } = times(4);
  await writeModel(at('four.safetensors'), info, weights);
  const { code, stdout, stderr } = await vnetHere([
    ...['average', shippedModel, at('four.safetensors'), 'camvid', '--out', at('mean.safetensors')],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /mean\.safetensors: mean of 3 models/);
  const mean = await readModel(at('mean.safetensors'));
  assert.equal(mean.info.trained.miou, undefined);
  assert.deepEqual(mean.info.classes, shipped.info.classes);
  assert.equal(mean.weights.size, shipped.weights.size);
  for (const [name, { data }] of mean.weights) {
    const expected = shipped.weights.get(name)!.data.map((v) => 2 * v);
    assert.deepEqual(data, expected, name);
  }
});

test('average: models of another network or classes, and fewer than two, are told; nothing is written', async () => {
  const { info, weights } = times(1);
  const classes = { ...info.classes, names: [...info.classes.names].reverse() };
  await writeModel(at('others.safetensors'), { ...info, classes }, weights);
  const network = { ...info.network, config: { ...info.network.config, alpha: 3 } };
  await writeModel(at('deeper.safetensors'), { ...info, network }, weights);
  for (const [other, message] of [
    [[at('others.safetensors')], /others\.safetensors: has other classes than \S*vnet-camvid/],
    [[at('deeper.safetensors')], /deeper\.safetensors: is of another network/],
    [[], /two models or more/],
  ] as const) {
    const { code, stderr } = await vnetHere(['average', 'camvid', ...other, '--out', at('no.safetensors')]);
    assert.ok(code !== null && code > 0);
    assert.match(stderr, message);
  }
  assert.ok(!existsSync(at('no.safetensors')));
  const one = { file: 'one', ...shipped };
  const short = { file: 'short', info, weights: new Map([...weights].slice(1)) };
  assert.throws(() => averageModels([one, short]), /^UserError: short: has no /);
});
