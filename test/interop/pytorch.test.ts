import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../src/errors.js';
import { imageChannels } from '../../src/interop/channels.js';
import { countClasses } from '../../src/interop/classes.js';
import type { ForeignTensor } from '../../src/interop/pytorch.js';
import { fromPytorch, pytorchNames, toPytorch } from '../../src/interop/pytorch.js';
import { modelSlots, smallestPlan } from '../../src/model/slots.js';
import { espnet } from '../../src/nets/espnet.js';
import { networkFromConfig, networkNames } from '../../src/nets/index.js';
import { initialWeights } from '../../src/nets/initialize.js';

/** Every element different, so that a transposition shows. */
function numbered(name: string): { network: ReturnType<typeof espnet>; weights: Map<string, Float32Array> } {
  const network = networkFromConfig(name, { classes: 5 });
  const plan = smallestPlan(network);
  let next = 0;
  const weights = new Map(
    [...initialWeights(plan, 1)]
      .filter(([slot]) => modelSlots(plan).has(slot))
      .map(([slot, data]) => {
        return [slot, data.map(() => next++)] as const;
      }),
  );
  return { network, weights };
}

test('names of a state_dict: norms, norms with a PReLU in one block, bare PReLUs', () => {
  const names = [
    'a.weight',
    'a.bias',
    'b.gamma',
    'b.beta',
    'b.mean',
    'b.variance',
    'c.gamma',
    'c.slope',
    'd.slope',
  ];
  assert.deepEqual(Object.fromEntries(pytorchNames(names)), {
    'a.weight': 'a.weight',
    'a.bias': 'a.bias',
    'b.gamma': 'b.weight',
    'b.beta': 'b.bias',
    'b.mean': 'b.running_mean',
    'b.variance': 'b.running_var',
    'c.gamma': 'c.bn.weight',
    'c.slope': 'c.act.weight',
    'd.slope': 'd.weight',
  });
});

for (const name of networkNames.filter(
  (each) => each !== 'pspnet' && each !== 'segnet' && each !== 'icnet',
)) {
  test(`${name}: what is exported is imported again`, () => {
    const { network, weights } = numbered(name);
    const tensors = toPytorch(network, weights);
    const { weights: again, unused } = fromPytorch(network, tensors, 'rgb', 'file');
    assert.deepEqual(unused, []);
    for (const [key, data] of weights) assert.deepEqual(again.get(key)!.data, data, key);
    assert.equal(
      countClasses(
        (classes) => networkFromConfig(name, { classes }),
        (key) => tensors.get(key),
      ),
      5,
    );
  });
}

test('a weight at [out][in][row][column] of PyTorch is at [row][column][in][out] here', () => {
  const { network, weights } = numbered('espnet');
  const { shape, data } = toPytorch(network, weights).get('encoder.level1.conv.weight')!;
  assert.deepEqual(shape, [16, 3, 3, 3]);
  const [o, i, y, x] = [11, 2, 1, 0];
  assert.equal(
    data[((o * 3 + i) * 3 + y) * 3 + x],
    weights.get('encoder.level1.conv.weight')![((y * 3 + x) * 3 + i) * 16 + o],
  );
});

test('the image of ESPNet is seen where its code joins it to feature maps', () => {
  const found = imageChannels(espnet({ classes: 20 }));
  const norm = (block: string, first: number) =>
    ['gamma', 'beta', 'mean', 'variance', 'slope'].map((part) => [`${block}.${part}`, { axis: 3, first }]);
  const expected = [
    ['encoder.level1.conv.weight', { axis: 2, first: 0 }],
    ...norm('encoder.b1', 16),
    ['encoder.level2_0.c1.conv.weight', { axis: 2, first: 16 }],
    ...norm('encoder.b2', 128),
    ['encoder.level3_0.c1.conv.weight', { axis: 2, first: 128 }],
    ['level3_C.conv.weight', { axis: 2, first: 128 }],
  ];
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
});

test('tensors that are missing, of another shape or superfluous are named', () => {
  const { network, weights } = numbered('espnet');
  const tensors = toPytorch(network, weights);
  const given = (change: (map: Map<string, ForeignTensor>) => void) => {
    const changed = new Map(tensors);
    change(changed);
    return () => fromPytorch(network, changed, 'rgb', 'net.pth');
  };
  const refused = (body: () => unknown, message: RegExp) =>
    assert.throws(body, (error) => error instanceof UserError && message.test(error.message));
  refused(
    given((map) => map.delete('br.weight')),
    /^net\.pth: lacks 1 of .*br\.weight/,
  );
  refused(
    given((map) => map.set('br.weight', { shape: [4], data: new Float32Array(4) })),
    /^net\.pth: br\.weight is 4, but espnet needs 5/,
  );
  const { unused } = given((map) => {
    map.set('extra.weight', { shape: [1], data: new Float32Array(1) });
    map.set('br.num_batches_tracked', { shape: [], data: new Float32Array(1) });
  })();
  assert.deepEqual(unused, ['extra.weight']);
});
