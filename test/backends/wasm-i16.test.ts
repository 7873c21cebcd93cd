/** Convolutions that multiply 16-bit integers (`--precision i16`), against float64. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { compile as compileProgram } from '../../src/backends/wasm/program.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import type { Shape } from '../../src/ir/value.js';
import { vnet } from '../../src/nets/vnet.js';
import type { Tensor } from './harness.js';
import { assertClose, assertParity, randomTensor, runOp, seededRandom, testSeed } from './harness.js';
import { inference } from './network.js';
import { activation } from './shapes.js';

const seed = testSeed(71);
const options = { threads: 1 };
/** Of the largest output: what `ConvAttrs.products` promises. */
const relative = 3e-3;

const threeTaps = (vertical: boolean, dilation: number) => ({
  stride: [1, 1] as const,
  padding: vertical ? ([dilation, 0] as const) : ([0, dilation] as const),
  dilation: vertical ? ([dilation, 1] as const) : ([1, dilation] as const),
  groups: 1,
  products: 'i16' as const,
});

test('three taps in a row: outputs to three thousandths, whatever the scale of inputs and weights', async () => {
  const rng = seededRandom(seed);
  for (const [cin, cout] of [
    [32, 32],
    [76, 76],
    [20, 36],
    [16, 20],
    [152, 16],
  ]) {
    for (const vertical of [true, false]) {
      const dilation = 1 + rng.int(6);
      const along = 12 * dilation + rng.int(9);
      const x: Shape = vertical ? [2, along, 5 + rng.int(60), cin] : [2, 3 + rng.int(5), along, cin];
      const y: Shape = [x[0], x[1], x[2], cout];
      const scale = 10 ** rng.range(-6, 6);
      const inputs = {
        x: randomTensor(rng, x, -scale, scale),
        weight: randomTensor(rng, [vertical ? 3 : 1, vertical ? 1 : 3, cin, cout]),
        bias: randomTensor(rng, [1, 1, 1, cout], -scale, scale),
        ...(rng.chance(0.5) ? { slope: randomTensor(rng, [1, 1, 1, cout]) } : {}),
        ...(rng.chance(0.5) ? { residual: randomTensor(rng, y, -scale, scale) } : {}),
      };
      const views = {
        x: { pixelStride: 2 * cin, channelOffset: 4 * rng.int(2) },
        y: { pixelStride: 2 * cout, channelOffset: 4 * rng.int(2) },
      };
      const label = `seed ${seed}, ${cin} to ${cout}, dilation ${dilation}`;
      const layout = { options, views };
      const attrs = { ...threeTaps(vertical, dilation), ...activation(rng) };
      await assertParity(wasmBackend, 'conv2d', inputs, attrs, { relative, label, layout });
    }
  }
});

test('the largest sums do not overflow, and zeros stay zeros', async () => {
  const attrs = threeTaps(false, 1);
  for (const channels of [16, 76, 256]) {
    const shape: Shape = [1, 1, 64, channels];
    // Signs that add up in the coefficient with the largest gain, in every channel.
    const x: Tensor = {
      shape,
      data: Float64Array.from(
        { length: 64 * channels },
        (_, i) => [1, 1, -1, 1][Math.floor(i / channels) % 4],
      ),
    };
    const weight: Tensor = { shape: [1, 3, channels, 16], data: new Float64Array(48 * channels).fill(1) };
    await assertParity(wasmBackend, 'conv2d', { x, weight }, attrs, {
      ...{ relative, label: `${channels} channels` },
      layout: { options },
    });
    const dark: Tensor = { shape, data: new Float64Array(64 * channels) };
    for (const inputs of [
      { x: dark, weight },
      { x, weight: { ...weight, data: new Float64Array(48 * channels) } },
    ]) {
      const { y } = await runOp(wasmBackend, 'conv2d', inputs, attrs, { options });
      assert.ok(y.data.every((value) => value === 0));
    }
  }
});

test('whole VNet: logits to a hundredth of the largest', async () => {
  const net = vnet({ classes: 19 });
  const shape = [1, 132, 200] as const;
  const exact = await inference(referenceBackend, net, shape, 'logits', seed);
  const actual = await inference(wasmBackend, net, shape, 'logits', seed, { precision: 'i16' });
  assertClose(actual, exact, { relative: 1e-2, label: `seed ${seed}` });
});

test('F and G of VNet multiply integers, and nothing in training does', () => {
  const { scratchBytes } = wasmBackend;
  const size = { batch: 1, height: 256, width: 512, precision: 'i16', scratchBytes } as const;
  const { steps } = compileProgram(compileInference(vnet({ classes: 19 }), size), 2);
  const count = (kernel: string) => steps.filter((step) => step.kernel === kernel).length;
  assert.deepEqual([count('convWinograd1dPairI16'), count('convWinograd1dI16')], [5, 1]);
  assert.deepEqual([count('convWinograd1dPair'), count('convWinograd1d')], [0, 0]);
  assert.throws(
    () => compileTraining(vnet({ classes: 19 }), size),
    /`precision: 'i16'`: training needs float32/,
  );
});
