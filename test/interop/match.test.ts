/** Whatever weights are wrapped in, they are found: prefixes × wrappings × types × networks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../src/errors.js';
import { readCheckpoint } from '../../src/interop/checkpoint.js';
import type { MatchOptions } from '../../src/interop/match.js';
import { matchCheckpoint } from '../../src/interop/match.js';
import { fromPytorch, toPytorch } from '../../src/interop/pytorch.js';
import { tensorsOf } from '../../src/interop/tensors.js';
import { encodeSafetensors } from '../../src/model/safetensors.js';
import { networkFromConfig } from '../../src/nets/index.js';
import type { Network } from '../../src/nets/network.js';
import { seededRandom, testSeed } from '../backends/harness.js';
import type { Item, StorageType, Written } from './writePth.js';
import { Global, writePth } from './writePth.js';

const seed = testSeed(80);
const rng = seededRandom(seed);
const pick = <T>(values: readonly T[]): T => values[rng.int(values.length)];

/** Weights that bfloat16 and float16 hold exactly, so that every way of storing them gives the same. */
function weightsOf(network: Network): Map<string, Float32Array> {
  return new Map(
    [...tensorsOf(network)].map(([name, shape]) => {
      const length = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length }, () => (rng.int(255) - 127) / 64)];
    }),
  );
}

const prefixes = [
  '',
  'module.',
  'model.',
  'net.',
  '_orig_mod.',
  'module._orig_mod.',
  'student.backbone.',
  'network.0.',
];
const types: readonly StorageType[] = ['FloatStorage', 'DoubleStorage', 'HalfStorage', 'BFloat16Storage'];

type Dict = Map<string, Item>;
const scalar: Written = { shape: [], data: Float32Array.of(0.5) };
const wrappings: Readonly<Record<string, (dict: Dict) => Item>> = {
  bare: (dict) => dict,
  state_dict: (dict) =>
    new Map<string, Item>([
      ['epoch', 3],
      ['state_dict', dict],
    ]),
  'a scalar first': (dict) =>
    new Map<string, Item>([
      ['best_miou', scalar],
      ['model', dict],
    ]),
  'with an optimizer': (dict) =>
    new Map<string, Item>([
      [
        'optimizer',
        new Map<string, Item>([['state', new Map<string, Item>([['0', new Map([['exp_avg', scalar]])]])]]),
      ],
      ['model_state', dict],
    ]),
  'two levels': (dict) => new Map<string, Item>([['checkpoint', new Map<string, Item>([['net', dict]])]]),
  'beside a class of another program': (dict) =>
    new Map<string, Item>([
      ['args', new Global('argparse', 'Namespace')],
      ['state_dict', dict],
    ]),
};

const configs: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  vnet: [{}, { alpha: 3, beta: 0 }, { alpha: 0, beta: 4, stem: 12, widths: [48, 96] }, { pairs: 2 }],
  espnet: [{}, { alpha2: 3, alpha3: 2 }, { detail: 19 }, { decoder: false, alpha2: 5 }],
  enet: [{}, { variant: 'pytorch' }, { decoder: 'prelu' }],
  segnet: [{ width: 8 }],
  icnet: [{ keep: 0.125 }],
  pspnet: [{ width: 8, blocks: [1, 2, 3, 1] }],
  erfnet: [{}],
  'bisenet-x39': [{}],
};

const written = (tensors: ReturnType<typeof toPytorch>, prefix: string, type: StorageType): Dict =>
  new Map([...tensors].map(([name, tensor]) => [prefix + name, { ...tensor, type }]));

const imported = (bytes: Uint8Array, options: MatchOptions = {}) => {
  const match = matchCheckpoint(readCheckpoint(bytes, 'net.pth'), 'net.pth', options);
  return { match, ...fromPytorch(match.network, match.tensors, 'rgb', 'net.pth') };
};

for (const [name, variants] of Object.entries(configs)) {
  test(`${name}: found in any wrapping, with the depth and width of its shapes`, () => {
    for (const config of variants) {
      const classes = 2 + rng.int(24);
      const network = networkFromConfig(name, { ...config, classes });
      const weights = weightsOf(network);
      const tensors = toPytorch(network, weights);
      for (const wrapping of [pick(Object.keys(wrappings))]) {
        const prefix = pick(prefixes);
        const type = pick(types);
        const label = `${name} ${JSON.stringify(config)}, ${classes} classes, ${wrapping}, '${prefix}', ${type}, seed ${seed}`;
        const bytes = writePth(wrappings[wrapping](written(tensors, prefix, type)), pick([0, 6]));
        const { match, weights: again, unused } = imported(bytes, { network: name });
        assert.deepEqual(match.network.config, network.config, label);
        assert.deepEqual(match.missing, [], label);
        assert.deepEqual(unused, [], label);
        for (const [key, data] of weights) assert.deepEqual(again.get(key)!.data, data, `${label}: ${key}`);
      }
    }
  });
}

test('every prefix and every wrapping of one network, which is not asked for', () => {
  const network = networkFromConfig('vnet', { classes: 5, alpha: 2 });
  const weights = weightsOf(network);
  for (const [i, prefix] of prefixes.entries()) {
    // Two wrappings for each prefix, in turn: nothing depends on both.
    for (const [wrapping, wrap] of Object.entries(wrappings).filter((_, j) => (i + j) % 3 === 0)) {
      const bytes = writePth(wrap(written(toPytorch(network, weights), prefix, pick(types))));
      const { match, weights: again } = imported(bytes);
      assert.equal(match.network.name, 'vnet', `${prefix} ${wrapping}`);
      assert.deepEqual(again.get('head.weight')!.data, weights.get('head.weight'), `${prefix} ${wrapping}`);
    }
  }
});

test('averaged weights are taken by choice only, whichever comes first', () => {
  const network = networkFromConfig('vnet', { classes: 5 });
  const [trained, average] = [weightsOf(network), weightsOf(network)];
  const dict = (weights: Map<string, Float32Array>) =>
    written(toPytorch(network, weights), 'module.', 'FloatStorage');
  for (const key of ['ema', 'state_dict_ema', 'model_ema', 'averaged_model', 'teacher']) {
    const entries: [string, Item][] = [
      [key, dict(average)],
      ['state_dict', dict(trained)],
    ];
    for (const order of [entries, [...entries].reverse()]) {
      const bytes = writePth(new Map(order));
      const plain = imported(bytes);
      assert.deepEqual(plain.weights.get('head.weight')!.data, trained.get('head.weight'), key);
      assert.deepEqual(plain.match.others, [`${key}.module.`]);
      const chosen = imported(bytes, { average: true });
      assert.deepEqual(chosen.weights.get('head.weight')!.data, average.get('head.weight'), key);
    }
  }
  const without = writePth(dict(trained));
  assert.throws(() => imported(without, { average: true }), /no averaged weights/);
});

test('a saved model instead of its state_dict: its modules are read, none of its code', () => {
  const network = networkFromConfig('vnet', { classes: 3 });
  const weights = weightsOf(network);
  interface Tree {
    readonly tensors: Map<string, Written>;
    readonly parts: Map<string, Tree>;
  }
  const root: Tree = { tensors: new Map(), parts: new Map() };
  for (const [name, tensor] of toPytorch(network, weights)) {
    const path = name.split('.');
    let at = root;
    for (const part of path.slice(0, -1)) {
      if (!at.parts.has(part)) at.parts.set(part, { tensors: new Map(), parts: new Map() });
      at = at.parts.get(part)!;
    }
    at.tensors.set(path[path.length - 1], tensor);
  }
  const dict = ({ tensors, parts }: Tree): Map<string, Item> =>
    new Map<string, Item>([
      ['training', false],
      ['_parameters', new Map<string, Item>(tensors)],
      ['_modules', new Map([...parts].map(([name, part]): [string, Item] => [name, dict(part)]))],
    ]);
  const { weights: again } = imported(writePth(dict(root)));
  for (const [key, data] of weights) assert.deepEqual(again.get(key)!.data, data, key);
});

test('the slope that all channels of a PReLU share becomes one each', () => {
  const network = networkFromConfig('enet', { classes: 4, variant: 'pytorch' });
  const tensors = toPytorch(network, weightsOf(network));
  const name = 'regular1_1.ext_conv1.2.weight';
  assert.deepEqual(tensors.get(name)!.shape, [16]);
  tensors.set(name, { shape: [1], data: Float32Array.of(0.375) });
  const { weights } = imported(writePth(written(tensors, '', 'FloatStorage')), { network: 'enet' });
  const slope = weights.get('regular1_1.ext_conv1.2.slope')!;
  assert.deepEqual([...slope.data], Array(16).fill(0.375));
});

test('the Cityscapes weights of ENet as converted from Torch: elements of a sequence', () => {
  const network = networkFromConfig('enet', { classes: 20, decoder: 'prelu' });
  const weights = weightsOf(network);
  const tensors = toPytorch(network, weights);
  // In the order in which a sequence of PyTorch lists them: convolutions, norms and activations as they come.
  const renamed = new Map<string, Item>();
  const blocks = [...new Set([...tensors.keys()].map((name) => /^bottleneck\d\.\d|^\w+/.exec(name)![0]))];
  for (const [name, tensor] of tensors) {
    const block = blocks.find((each) => name.startsWith(`${each}.`))!;
    const rest = name.slice(block.length + 1);
    const kind = rest.slice(rest.lastIndexOf('.') + 1);
    const layer = rest.slice(0, Math.max(0, rest.lastIndexOf('.')));
    const asymmetric = tensors.has(`${block}.conv1.weight`);
    const inner = asymmetric
      ? ['reduce', 'norm1.bn', 'norm1.act', 'conv1', 'conv2', 'norm2.bn', 'norm2.act', 'expand', 'norm3']
      : ['reduce', 'norm1.bn', 'norm1.act', 'conv', 'norm2.bn', 'norm2.act', 'expand', 'norm3'];
    const number = blocks.indexOf(block) + 3;
    const place =
      block === 'fullconv'
        ? '31'
        : block === 'initial'
          ? { conv: '0.0', 'norm.bn': '2', 'norm.act': '3' }[layer]
          : layer === 'act'
            ? `${number}.2`
            : layer.startsWith('main')
              ? `${number}.0.1.${layer === 'main.conv' ? 1 : 2}`
              : `${number}.0.0.${inner.indexOf(layer)}`;
    renamed.set(`${place}.${kind}`, tensor);
  }
  assert.equal(renamed.size, tensors.size);
  const { match, weights: again } = imported(writePth(renamed));
  assert.deepEqual(match.network.config, network.config);
  for (const [key, data] of weights) assert.deepEqual(again.get(key)!.data, data, key);
});

test('what this program exports says of itself what shapes do not', () => {
  const network = networkFromConfig('vnet', { classes: 5, dilations2: [[3, 5]], pyramid: [3, 5] });
  const weights = weightsOf(network);
  const bytes = encodeSafetensors(toPytorch(network, weights), {
    network: network.name,
    config: JSON.stringify(network.config),
  });
  assert.deepEqual(imported(bytes).match.network.config, network.config);
});

test('names that do not fit are all told', () => {
  const network = networkFromConfig('vnet', { classes: 5 });
  const tensors = written(toPytorch(network, weightsOf(network)), '', 'FloatStorage');
  for (const part of ['weight', 'bias']) {
    tensors.set(`haed.${part}`, tensors.get(`head.${part}`)!);
    tensors.delete(`head.${part}`);
  }
  const refused = (bytes: Uint8Array, message: RegExp, options: MatchOptions = { network: 'vnet' }) =>
    assert.throws(
      () => imported(bytes, options),
      (error) => error instanceof UserError && message.test(error.message) && !error.message.includes('\n'),
    );
  refused(writePth(tensors), /lacks 2 of .*head\.weight, head\.bias; has instead: haed\.weight, haed\.bias/);
  refused(writePth(new Map([['a.weight', scalar]])), /not those of any known network.*a\.weight/, {});
  const wrong = written(toPytorch(network, weightsOf(network)), '', 'FloatStorage');
  wrong.set('head.bias', { shape: [3], data: new Float32Array(3) });
  refused(writePth(wrong), /head\.bias is 3, but vnet needs 5/);
  const diverged = written(toPytorch(network, weightsOf(network)), '', 'FloatStorage');
  diverged.set('head.bias', { shape: [5], data: Float32Array.of(0, 1, Number.NaN, 2, 3) });
  refused(writePth(diverged), /head\.bias holds numbers that are not finite/);
});
