import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { writeSynthetic } from '../../src/data/synth.js';
import { loadModel, shippedModel } from '../../src/model/load.js';
import { temporaryFolder, vnetHere } from './vnet.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
before(() =>
  writeSynthetic({ out: at('scenes'), count: 5, height: 64, width: 96, seed: 3, valFraction: 0.8 }),
);

test('adapt: a new model with other statistics and no score, which predict takes', async () => {
  const { code, stderr, stdout } = await vnetHere([
    ...['adapt', '--data', at('scenes'), '--out', at('mine.safetensors'), '--batch', '2', '--threads', '1'],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /mine\.safetensors: statistics of 4 pictures/);
  const [before, after] = [await loadModel(shippedModel), await loadModel(at('mine.safetensors'))];
  assert.equal(after.info.trained.miou, undefined);
  assert.deepEqual(after.info.classes, before.info.classes);
  assert.deepEqual(after.weights.get('head.weight'), before.weights.get('head.weight'));
  assert.notDeepEqual(after.weights.get('stem.norm1.mean'), before.weights.get('stem.norm1.mean'));
  const predicted = await vnetHere([
    ...[
      'predict',
      '--data',
      at('scenes'),
      '--split',
      'val',
      '--model',
      at('mine.safetensors'),
      '--out',
      at('out'),
    ],
  ]);
  assert.equal(predicted.code, 0, predicted.stderr);
});

test('adapt: fewer pictures than a batch, and none, are told', async () => {
  const few = await vnetHere([
    'adapt',
    '--data',
    at('scenes'),
    '--out',
    at('no.safetensors'),
    '--batch',
    '5',
  ]);
  assert.equal(few.code, 2, few.stderr);
  assert.match(few.stderr, /at least 5 pictures/);
  const none = await vnetHere(['adapt', at('nowhere'), '--out', at('no.safetensors')]);
  assert.match(none.stderr, /^vnet: \S*nowhere: no such picture or folder\n$/);
  assert.ok(!existsSync(at('no.safetensors')));
});
