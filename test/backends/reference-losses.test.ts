import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { Shape } from '../../src/ir/value.js';
import type { AttrsOf, InputsOf, KernelName } from '../../src/ops/index.js';
import type { Tensor, Tensors } from './harness.js';
import { assertClose, randomBytes, randomTensor, runOp, seededRandom, tensor, testSeed } from './harness.js';
import { errorsOf } from './lovaszEdges.js';

const seed = testSeed(2);
const exact = (shape: Shape, values: readonly number[]): Tensor => tensor(shape, values, Float64Array);
const vector = (...values: number[]): Tensor => exact([1, 1, 1, values.length], values);
const run = <K extends KernelName>(op: K, inputs: Tensors<InputsOf<K>>, attrs: AttrsOf<K>) =>
  runOp(referenceBackend, op, inputs, attrs);

test('crossEntropy of known logits, with ignored pixels, class weights and label smoothing', async () => {
  // −log softmax(1, 2, 3) = (2.40760596, 1.40760596, 0.40760596).
  const logits = exact([1, 1, 3, 3], [1, 2, 3, 1, 2, 3, 9, 9, 9]);
  const labels = tensor([1, 1, 3, 1], [2, 0, 255], Uint8Array);
  const known = { relative: 1e-8, label: 'known values' };
  const plain = await run('crossEntropy', { logits, labels }, { ignore: 255, labelSmoothing: 0 });
  assertClose(plain.loss.data, [(0.40760596 + 2.40760596) / 2, 2], known);
  const [p0, p1, p2] = [0.09003057, 0.24472847, 0.66524096];
  assertClose(plain.glogits.data, [p0 / 2, p1 / 2, (p2 - 1) / 2, (p0 - 1) / 2, p1 / 2, p2 / 2, 0, 0, 0], {
    ...known,
    relative: 3e-8,
  });
  const classWeights = vector(3, 7, 1);
  const weighted = await run(
    'crossEntropy',
    { logits, labels, classWeights },
    { ignore: 255, labelSmoothing: 0 },
  );
  assertClose(weighted.loss.data, [(0.40760596 + 3 * 2.40760596) / 4, 4], known);
  const smooth = await run('crossEntropy', { logits, labels }, { ignore: 255, labelSmoothing: 0.1 });
  const uniform = (0.1 / 3) * (2.40760596 + 1.40760596 + 0.40760596);
  assertClose(smooth.loss.data, [0.9 * 1.40760596 + uniform, 2], known);
  const invalid = tensor([1, 1, 3, 1], [2, 0, 3], Uint8Array);
  const without = await run('crossEntropy', { logits, labels: invalid }, { ignore: 255, labelSmoothing: 0 });
  assert.deepEqual(without, plain);
  const nothing = tensor([1, 1, 3, 1], [255, 255, 77], Uint8Array);
  const empty = await run('crossEntropy', { logits, labels: nothing }, { ignore: 255, labelSmoothing: 0 });
  assert.deepEqual([...empty.loss.data, ...empty.glogits.data], Array(11).fill(0));
});

test('focal: cross-entropy where γ is 0, (1 − p)^γ of it, boundary pixels more', async () => {
  const rng = seededRandom(testSeed(31));
  const logits = randomTensor(rng, [2, 3, 4, 5], -3, 3);
  const labels = randomBytes(rng, [2, 7, 9, 1], 6, 255);
  const classWeights = randomTensor(rng, [1, 1, 1, 5], 0.5, 2);
  const inputs = { logits, labels, classWeights };
  const known = { relative: 1e-12, label: 'known values' };
  const plain = await run('focal', inputs, { ignore: 255, gamma: 0, radius: 0, boundary: 0 });
  const entropy = await run('crossEntropy', inputs, { ignore: 255, labelSmoothing: 0 });
  assertClose(plain.loss.data, entropy.loss.data, known);
  assertClose(plain.glogits.data, entropy.glogits.data, known);
  // A row of one class, one of another in the middle: three boundary pixels of seven at radius 1, five at radius 2.
  const [p, q] = [0.8, 0.2].map((share) => Math.log(share));
  const row = exact([1, 1, 7, 2], Array(7).fill([p, q]).flat());
  const one = tensor([1, 1, 7, 1], [0, 0, 0, 1, 0, 0, 0], Uint8Array);
  const attrs = { ignore: 255, gamma: 2, radius: 1, boundary: 3 };
  const near = await run('focal', { logits: row, labels: one }, attrs);
  const [easy, hard] = [0.2 ** 2 * -p, 0.8 ** 2 * -q];
  assertClose(near.loss.data, [(easy * (4 + 2 * 4) + hard * 4) / 16, 16], { ...known, relative: 1e-9 });
  const wider = await run('focal', { logits: row, labels: one }, { ...attrs, radius: 2 });
  assertClose(wider.loss.data, [(easy * (2 + 4 * 4) + hard * 4) / 22, 22], { ...known, relative: 1e-9 });
});

test('dice of known probabilities, over the classes that are there', async () => {
  const logOf = (...p: number[]) => p.map(Math.log);
  const logits = exact(
    [1, 1, 3, 3],
    [...logOf(0.7, 0.2, 0.1), ...logOf(0.4, 0.5, 0.1), ...logOf(0.1, 0.1, 0.8)],
  );
  const labels = tensor([1, 1, 3, 1], [0, 1, 255], Uint8Array);
  const { loss } = await run('dice', { logits, labels }, { ignore: 255 });
  const [first, second] = [(2 * 0.7) / (1 + 1.1), (2 * 0.5) / (1 + 0.7)];
  assertClose(loss.data, [1 - (first + second) / 2, 2], { relative: 1e-12, label: 'dice' });
});

test('lovasz is that of sorted errors to 1/128, and 1 − IoU of certain predictions', async () => {
  const seed = testSeed(32);
  const rng = seededRandom(seed);
  for (const classes of [2, 5, 12]) {
    for (const spread of [1, 6]) {
      const inputs = {
        logits: randomTensor(rng, [2, 4, 5, classes], -spread, spread),
        labels: randomBytes(rng, [2, 31, 33, 1], classes, 255),
      };
      const { loss } = await run('lovasz', inputs, { ignore: 255 });
      const pixels = [...errorsOf(inputs, false)];
      let expected = 0;
      const present = new Set(pixels.map(({ label }) => label));
      for (const c of present) {
        const sorted = pixels
          .map(({ label, errors }) => ({ mine: label === c, error: errors[c] }))
          .sort((a, b) => b.error - a.error);
        const all = sorted.filter(({ mine }) => mine).length;
        let [hit, missed, before] = [all, all, 0];
        for (const { mine, error } of sorted) {
          if (mine) hit--;
          else missed++;
          const jaccard = 1 - hit / missed;
          expected += ((jaccard - before) * error) / present.size;
          before = jaccard;
        }
      }
      assert.ok(
        Math.abs(loss.data[0] - expected) < 1 / 128,
        `seed ${seed}: ${loss.data[0]}, sorted ${expected}`,
      );
      assert.equal(loss.data[1], pixels.length);
    }
  }
  // Two of four pixels are class 0 and predicted so, one more is predicted so: IoU 2/3 and 1/2.
  const sure = [50, 0, 50, 0, 50, 0, 0, 50];
  const certain = {
    logits: exact([1, 1, 4, 2], sure),
    labels: tensor([1, 1, 4, 1], [0, 0, 1, 1], Uint8Array),
  };
  const { loss } = await run('lovasz', certain, { ignore: 255 });
  assertClose(loss.data, [(1 / 3 + 1 / 2) / 2, 4], { relative: 1e-9, label: 'certain' });
});

test('losses without a labelled pixel are zero', async () => {
  const logits = exact([1, 1, 2, 2], [1, 2, 3, 4]);
  const labels = tensor([1, 1, 2, 1], [255, 77], Uint8Array);
  const none = { ignore: 255 };
  for (const { loss, glogits } of [
    await run('focal', { logits, labels }, { ...none, gamma: 2, radius: 1, boundary: 1 }),
    await run('dice', { logits, labels }, none),
    await run('lovasz', { logits, labels }, none),
  ]) {
    assert.deepEqual([...loss.data, ...glogits.data].map(Math.abs), Array(6).fill(0));
  }
});

test('hardLabels keeps pixels below the threshold, and at least the hardest share', async () => {
  // Two classes: the probability of class 0 is 1 / (1 + e^z).
  const probabilities = [0.05, 0.35, 0.69, 0.71, 0.9, 0.99, 0.999, 0.5];
  const logits = exact(
    [1, 1, 8, 2],
    probabilities.flatMap((p) => [0, Math.log((1 - p) / p)]),
  );
  const labels = tensor([1, 1, 8, 1], [0, 0, 0, 0, 0, 0, 0, 255], Uint8Array);
  const kept = async (threshold: number, least: number) => {
    const { hard } = await run('hardLabels', { logits, labels }, { ignore: 255, threshold, least });
    return [...hard.data].map((label, i) => (label === 255 ? -1 : i)).filter((i) => i >= 0);
  };
  assert.deepEqual(await kept(0.7, 0), [0, 1, 2]);
  assert.deepEqual(await kept(0.2, 0), [0]);
  assert.deepEqual(await kept(0.2, 0.5), [0, 1, 2, 3], 'four of seven labelled pixels are half of them');
  assert.deepEqual(await kept(0, 1), [0, 1, 2, 3, 4, 5, 6]);
  // The pixel of class 1 that the network holds for class 0 is the hardest.
  const other = tensor([1, 1, 8, 1], [255, 255, 255, 255, 255, 0, 1, 0], Uint8Array);
  const { hard } = await run(
    'hardLabels',
    { logits, labels: other },
    { ignore: 255, threshold: 0, least: 0.3 },
  );
  assert.deepEqual([...hard.data], [255, 255, 255, 255, 255, 255, 1, 255]);
});

test('crossEntropy of coarse logits is that of resized logits, its gradient the transpose', async () => {
  const rng = seededRandom(seed);
  const logits = randomTensor(rng, [2, 3, 4, 5], -3, 3);
  const labels = randomBytes(rng, [2, 10, 13, 1], 5, 255);
  const attrs = { ignore: 255, labelSmoothing: 0.05 };
  const coarse = await run('crossEntropy', { logits, labels }, attrs);
  const resized = await run('resizeBilinear', { x: logits }, { height: 10, width: 13 });
  const full = await run('crossEntropy', { logits: resized.y, labels }, attrs);
  const { gx } = await run('resizeBilinearGrad', { gy: full.glogits }, { height: 3, width: 4 });
  assertClose(coarse.loss.data, full.loss.data, { relative: 1e-12, label: `seed ${seed}` });
  assertClose(coarse.glogits.data, gx.data, { relative: 1e-12, label: `seed ${seed}` });
});
