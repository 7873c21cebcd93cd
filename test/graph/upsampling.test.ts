import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { inferenceGraph, trainingGraph } from '../../src/compile.js';
import type { Builder } from '../../src/graph/builder.js';
import { plan } from '../../src/graph/plan.js';
import type { Graph } from '../../src/ir/graph.js';
import type { Value } from '../../src/ir/value.js';
import { networkFromConfig } from '../../src/nets/index.js';
import type { Network } from '../../src/nets/network.js';
import { imageNorm } from '../../src/nets/normalization.js';
import { nodesOf } from '../../src/ops/index.js';
import { assertClose, randomBytes, randomTensor, seededRandom, testSeed } from '../backends/harness.js';

const seed = testSeed(41);

const size = { batch: 1, height: 256, width: 512, scratchBytes: () => 0 };

const shapesOf = (graph: Graph, label: string) =>
  nodesOf(graph).flatMap((node) =>
    node.op === 'conv2d' && node.label.startsWith(label) ? [node.inputs.x.shape] : [],
  );
const count = (graph: Graph, op: string) => graph.nodes.filter((node) => node.op === op).length;

test('the classifier of ICNet comes before the last upsampling, in inference', () => {
  const icnet = networkFromConfig('icnet', { classes: 5 });
  assert.deepEqual(shapesOf(inferenceGraph(icnet, size), 'conv6_cls'), [[1, 32, 64, 128]]);
  const training = trainingGraph(icnet, { ...size, policy: 'save' });
  assert.deepEqual(shapesOf(training, 'conv6_cls'), [[1, 64, 128, 128]]);
});

test('the largest convolution of PSPNet has half of its channels, its pyramid comes by taps', () => {
  const pspnet = networkFromConfig('pspnet', { classes: 5, blocks: [1, 1, 1, 1], width: 16 });
  const graph = inferenceGraph(pspnet, size);
  const [levels, rest] = [graph, graph].map((each) => shapesOf(each, 'cls.0'));
  assert.equal(count(graph, 'upsampleTaps'), 4);
  assert.deepEqual(
    levels.slice(0, 4),
    [1, 2, 3, 6].map((n) => [1, n, n, 128]),
  );
  assert.deepEqual(rest.slice(4), [[1, 32, 64, 512]]);
  // Bins of less than sixteen pixels stay where they are, beside what is not upsampled.
  const small = inferenceGraph(pspnet, { ...size, height: 72, width: 96 });
  assert.equal(count(small, 'upsampleTaps'), 2);
  assert.deepEqual(shapesOf(small, 'cls.0').slice(2), [[1, 9, 12, 768]]);
  assert.equal(count(trainingGraph(pspnet, { ...size, policy: 'save' }), 'upsampleTaps'), 0);
});

test('the pyramid of ICNet, which is added up, comes after the convolution that reads it', () => {
  const icnet = networkFromConfig('icnet', { classes: 5 });
  const graph = inferenceGraph(icnet, { ...size, height: 512, width: 1024 });
  assert.deepEqual(
    shapesOf(graph, 'conv5_4_k1').map((shape) => shape.slice(1)),
    [...[1, 2, 3, 6].map((n) => [n, n, 1024]), [16, 32, 1024]],
  );
  assert.equal(count(graph, 'upsampleTaps'), 4);
  assert.equal(count(graph, 'add'), 0);
  // Of 8×16 pixels, 6×6 are not far fewer.
  const small = inferenceGraph(icnet, size);
  assert.deepEqual([count(small, 'upsampleTaps'), count(small, 'add')], [3, 1]);
});

/** A map of four channels, upsampled, and what `last` makes of it. */
const upsampled = (last: (b: Builder, x: Value) => Value): Network => ({
  name: 'upsampled',
  classes: 3,
  config: {},
  build(b, images) {
    const x = b.conv('first', images, { out: 4, kernel: 3, stride: 4, normalize: imageNorm });
    return last(b, b.resize(x, 2 * x.shape[1], 2 * x.shape[2]));
  },
});

test('what a 1×1 convolution makes of a sum with upsampled maps is what it makes of the maps, upsampled', async () => {
  const net = upsampled((b, x) => {
    const fine = b.conv('fine', x, { out: 4, kernel: 3 });
    const coarse = b.conv('coarse', b.adaptivePool(x, 5, 9), { out: 4, kernel: 1 });
    const sum = [coarse, b.adaptivePool(x, 1, 1)].reduce((a, y) => b.add(a, b.resize(y, 32, 64)), fine);
    return b.conv('last', sum, { out: 3, kernel: 1, bias: true });
  });
  const options = { batch: 2, height: 64, width: 128, output: 'logits', scratchBytes: () => 0 } as const;
  let built: Graph | undefined;
  const rewritten = inferenceGraph(net, options, (pass, graph) => {
    if (pass === 'build') built = graph;
  });
  assert.deepEqual([count(rewritten, 'upsampleTaps'), count(rewritten, 'add')], [2, 0]);
  const [expected, actual] = [await logitsOf(built!), await logitsOf(rewritten)];
  assertClose(actual, expected, { relative: 1e-12, label: 'logits' });
});

/** By the float64 reference, of random weights and images. */
async function logitsOf(graph: Graph): Promise<Float64Array> {
  const executor = await referenceBackend.prepare(plan(graph, referenceBackend.scratchBytes));
  try {
    const rng = seededRandom(seed);
    for (const { name, shape } of graph.params)
      executor.write(name, randomTensor(rng, shape).data as Float32Array);
    executor.write('images', randomBytes(rng, graph.inputs[0].shape).data as Uint8Array);
    await executor.run('prepare', 'forward');
    return Float64Array.from(await executor.read('logits'));
  } finally {
    await executor.dispose();
  }
}

test('what is not linear, mixes pixels or makes more channels stays behind an upsampling', () => {
  const at = (last: (b: Builder, x: Value) => Value) =>
    shapesOf(inferenceGraph(upsampled(last), size), 'last')[0].slice(1, 3);
  const out = 3;
  assert.deepEqual(
    at((b, x) => b.conv('last', x, { out, kernel: 1, bias: true })),
    [64, 128],
  );
  assert.deepEqual(
    at((b, x) => b.relu(b.conv('last', x, { out, kernel: 1 }))),
    [128, 256],
  );
  assert.deepEqual(
    at((b, x) => b.conv('last', x, { out, kernel: 3 })),
    [128, 256],
  );
  assert.deepEqual(
    at((b, x) => b.conv('head', b.conv('last', x, { out: 8, kernel: 1 }), { out, kernel: 1 })),
    [128, 256],
  );
});
