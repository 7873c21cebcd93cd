import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../src/errors.js';
import { makeNode, makeValue } from '../../src/graph/node.js';
import type { DType, Shape, Value } from '../../src/ir/value.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import type { AttrsOf, InputsOf, OpName } from '../../src/ops/index.js';
import { ops } from '../../src/ops/index.js';
import type { OpDef } from '../../src/ops/op.js';
import { seededRandom, testSeed } from '../backends/harness.js';

const seed = testSeed(5);
const value = (name: string, shape: Shape, dtype: DType = 'f32'): Value =>
  makeValue(name, shape, dtype, 'input');
const infer = <K extends OpName>(op: K, inputs: InputsOf<K>, attrs: AttrsOf<K>) =>
  makeNode(op, inputs, attrs, op, 'forward').outputs as Readonly<Record<string, Value>>;
const conv = (changes: Partial<ConvAttrs> = {}): ConvAttrs => ({
  ...{ stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 },
  ...changes,
});

test('conv2d: output sizes of the PyTorch documentation, and of strided ceilings', () => {
  // nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1)) on 20×16×50×100.
  const weight = value('weight', [3, 5, 16, 33]);
  const attrs = conv({ stride: [2, 1], padding: [4, 2], dilation: [3, 1] });
  const { y } = infer('conv2d', { x: value('x', [20, 50, 100, 16]), weight }, attrs);
  assert.deepEqual(y.shape, [20, 26, 100, 33]);
  // Stride 2 with padding ⌊k/2⌋ gives ⌈n/2⌉ for every odd window, so all paths of a downsampler agree.
  for (let n = 1; n <= 40; n++) {
    for (const k of [1, 3, 5, 7]) {
      const x = value('x', [1, n, n + 1, 4]);
      const strided = conv({ stride: [2, 2], padding: [k >> 1, k >> 1] });
      const half = [1, Math.ceil(n / 2), Math.ceil((n + 1) / 2), 4];
      assert.deepEqual(infer('conv2d', { x, weight: value('w', [k, k, 4, 4]) }, strided).y.shape, half);
      assert.deepEqual(infer('pyramidPool', { x }, { kernels: [k], stride: 2 }).y.shape, half);
    }
  }
});

test('shapes of gradients are those of what they belong to', () => {
  const x = value('x', [2, 9, 11, 6]);
  const weight = value('weight', [3, 2, 3, 8]);
  const attrs = conv({ groups: 2, stride: [2, 3], padding: [1, 0] });
  const gy = infer('conv2d', { x, weight }, attrs).y;
  const gweight = infer('conv2dGradWeight', { x, gy }, { ...attrs, kernel: [3, 2] }).gweight;
  assert.deepEqual(gweight.shape, weight.shape);
  const gx = infer('conv2dGradInput', { gy, weight }, { ...attrs, height: 9, width: 11 }).gx;
  assert.deepEqual(gx.shape, x.shape);
});

/** Counts the multiply-adds of a convolution one by one, taps in the padding included. */
function countMultiplyAdds(x: Shape, weight: Shape, attrs: ConvAttrs): number {
  const spanY = (weight[0] - 1) * attrs.dilation[0];
  const spanX = (weight[1] - 1) * attrs.dilation[1];
  let count = 0;
  for (let n = 0; n < x[0]; n++) {
    for (let top = -attrs.padding[0]; top + spanY < x[1] + attrs.padding[0]; top += attrs.stride[0]) {
      for (let left = -attrs.padding[1]; left + spanX < x[2] + attrs.padding[1]; left += attrs.stride[1]) {
        for (let co = 0; co < weight[3]; co++) {
          for (let tap = 0; tap < weight[0] * weight[1]; tap++) {
            for (let ci = 0; ci < x[3] / attrs.groups; ci++) count++;
          }
        }
      }
    }
  }
  return count;
}

test('FLOPs of a convolution and its gradients: two per multiply-add, counted one by one', () => {
  const rng = seededRandom(seed);
  for (let repeat = 0; repeat < 50; repeat++) {
    const groups = 1 + rng.int(3);
    const attrs = conv({
      ...{ groups, stride: [1 + rng.int(3), 1 + rng.int(2)], padding: [rng.int(3), rng.int(3)] },
      dilation: [1 + rng.int(2), 1 + rng.int(3)],
    });
    const x = value('x', [1 + rng.int(2), 7 + rng.int(5), 7 + rng.int(5), groups * (1 + rng.int(4))]);
    const kernel = [1 + rng.int(3), 1 + rng.int(3)] as const;
    const weight = value('w', [...kernel, x.shape[3] / groups, groups * (1 + rng.int(4))]);
    const expected = 2 * countMultiplyAdds(x.shape, weight.shape, attrs);
    const flopsOf = <K extends OpName>(op: K, inputs: InputsOf<K>, opAttrs: AttrsOf<K>) => {
      const { node } = makeNode(op, inputs, opAttrs, op, 'forward');
      return (ops[op] as unknown as OpDef<object, object, object>).flops(node);
    };
    const label = `seed ${seed}, repeat ${repeat}`;
    assert.equal(flopsOf('conv2d', { x, weight }, attrs), expected, label);
    const gy = infer('conv2d', { x, weight }, attrs).y;
    assert.equal(flopsOf('conv2dGradWeight', { x, gy }, { ...attrs, kernel }), expected, label);
    const size = { height: x.shape[1], width: x.shape[2] };
    assert.equal(flopsOf('conv2dGradInput', { gy, weight }, { ...attrs, ...size }), expected, label);
  }
});

/** Building the op must fail with one line that a person can act on. */
function rejects<K extends OpName>(op: K, inputs: InputsOf<K>, attrs: AttrsOf<K>, message: RegExp): void {
  assert.throws(
    () => makeNode(op, inputs, attrs, op, 'forward'),
    (error: unknown) =>
      error instanceof UserError && message.test(error.message) && !error.message.includes('\n'),
    `${op}: expected a UserError matching ${message}`,
  );
}

test('inputs that do not fit are refused where the graph is built', () => {
  const x = value('x', [2, 5, 6, 4]);
  const wrong = value('stage.slope', [1, 1, 1, 3]);
  rejects(
    'conv2d',
    { x, weight: value('stem.weight', [3, 3, 5, 8]) },
    conv(),
    /stem\.weight: .*3×3×5×8.* 4 input/,
  );
  rejects('conv2d', { x, weight: value('w', [3, 3, 4, 8]) }, conv({ groups: 2 }), /2 group/);
  rejects(
    'conv2d',
    { x, weight: value('w', [3, 3, 2, 7]) },
    conv({ groups: 2 }),
    /7 output channels.*2 group/,
  );
  rejects('conv2d', { x, weight: value('w', [7, 1, 4, 8]) }, conv(), /5×6 is smaller than the kernel/);
  rejects(
    'conv2d',
    { x, weight: value('w', [1, 1, 4, 8]), bias: wrong },
    conv(),
    /stage\.slope: .*3.* 8 channels/,
  );
  rejects('concat', { x0: x, x1: value('other', [2, 5, 7, 4]) }, {}, /other is 2×5×7×4, expected 2×5×6×C/);
  rejects('split', { x }, { sizes: [1, 2] }, /1 \+ 2 do not add up to 4/);
  rejects('add', { a: x, b: value('skip', [2, 5, 6, 5]) }, { sign: 1 }, /skip is 2×5×6×5, expected 2×5×6×4/);
  rejects('prelu', { x, slope: wrong }, {}, /stage\.slope: .*3.* 4 channels/);
  const fits = value('v', [1, 1, 1, 4]);
  const stats = value('stats', [1, 1, 3, 4]);
  rejects('batchNorm', { x, stats, gamma: wrong, beta: fits }, {}, /stage\.slope: .*3.* 4 channels/);
  rejects('affine', { x, scale: fits, shift: wrong }, { sign: 1 }, /stage\.slope: .*3.* 4 channels/);
  const labels = value('labels', [1, 40, 48, 1], 'u8');
  rejects(
    'crossEntropy',
    { logits: x, labels },
    { ignore: 255, labelSmoothing: 0 },
    /labels is 1×40×48×1, expected 2×40×48×1/,
  );
});
