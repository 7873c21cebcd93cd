import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileInference, compileTraining, inferenceGraph, trainingGraph } from '../../src/compile.js';
import type { Plan } from '../../src/graph/planned.js';
import type { Graph } from '../../src/ir/graph.js';
import { networkFromConfig, networkNames } from '../../src/nets/index.js';
import type { Network } from '../../src/nets/network.js';
import { imageNorm } from '../../src/nets/normalization.js';
import { nodesOf, opOf } from '../../src/ops/index.js';

const size = { batch: 2, height: 64, width: 96, scratchBytes: () => 0 };

/** A convolution of the image: of bytes by itself, or of the numbers that a node before it makes of them. */
const convolution = (from: 'bytes' | 'numbers'): Network => ({
  name: 'convolution',
  classes: 5,
  config: {},
  build(b, images) {
    const options = { out: 12, kernel: 5, stride: 2 };
    const x =
      from === 'bytes'
        ? b.conv('first', images, { ...options, normalize: imageNorm })
        : b.conv('first', b.normalizeImage(images, imageNorm), options);
    return b.conv('head', b.batchNorm('norm', x, { act: 'prelu' }), { out: 5, kernel: 1 });
  },
});

test('a convolution of a normalised image is one of its bytes, in inference and in training', () => {
  // What a convolution of bytes and its gradient compute is tested against finite differences elsewhere.
  const calls = (plan: Plan) =>
    plan.calls.map(({ op, attrs, inputs, outputs }) => ({ op, attrs, inputs, outputs }));
  for (const compile of [
    (net: Network) => compileInference(net, size),
    (net: Network) => compileTraining(net, { ...size, policy: 'save' }),
  ]) {
    const [bytes, numbers] = [compile(convolution('bytes')), compile(convolution('numbers'))];
    assert.deepEqual(calls(numbers), calls(bytes));
    assert.equal(numbers.arenaBytes, bytes.arenaBytes);
  }
});

/** Networks of which more than convolutions and resizing read the image. */
const others = new Set(['enet', 'erfnet', 'espnet']);

for (const name of networkNames) {
  test(`${name}: numbers are made of the image only for those that cannot read bytes`, () => {
    const net = networkFromConfig(name, { classes: 5 });
    const check = (graph: Graph) => {
      const made = nodesOf(graph).filter(({ op }) => op === 'normalizeImage');
      assert.equal(made.length, others.has(name) ? 1 : 0);
      for (const { outputs } of made) {
        const readers = graph.nodes.filter(({ inputs }) =>
          Object.values(inputs).includes(Object.values(outputs)[0]),
        );
        assert.ok(readers.length > 0 && readers.every((node) => opOf(node).bytes === undefined));
      }
      const first = nodesOf(graph).filter((node) => node.op === 'conv2d' && node.inputs.x.dtype === 'u8');
      assert.ok(first.length > 0 && first.every((node) => node.op === 'conv2d' && node.attrs.normalize));
    };
    check(inferenceGraph(net, size));
    check(trainingGraph(net, { ...size, policy: 'save' }));
  });
}
