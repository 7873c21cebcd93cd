import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { assertParity, randomTensor, seededRandom, testSeed } from './harness.js';

const seed = testSeed(31);

test('pyramidPool of whole vectors without a prologue: several tiles and bands', async () => {
  const rng = seededRandom(seed);
  const cases = [
    { x: [1, 75, 150, 64], kernels: [3, 5, 7], stride: 2 },
    // Wider than two tiles.
    { x: [1, 19, 421, 64], kernels: [3, 5, 7], stride: 2 },
    { x: [2, 41, 500, 8], kernels: [3, 5], stride: 2 },
    { x: [1, 40, 61, 152], kernels: [3], stride: 1 },
    { x: [1, 70, 33, 4], kernels: [1, 7], stride: 3 },
    { x: [3, 1, 2, 12], kernels: [3, 5, 7], stride: 2 },
  ] as const;
  for (const { x, kernels, stride } of cases) {
    for (const epilogue of [false, true]) {
      const vector = () => randomTensor(rng, [1, 1, 1, x[3]]);
      const inputs = {
        x: randomTensor(rng, [...x]),
        ...(epilogue ? { scale: vector(), shift: vector(), slope: vector() } : {}),
      };
      const label = `seed ${seed} ${x.join('×')} ${kernels.join()} stride ${stride}`;
      const layout = { options: { threads: 2 }, views: { y: { pixelStride: x[3] + 7, channelOffset: 3 } } };
      await assertParity(
        wasmBackend,
        'pyramidPool',
        inputs,
        { kernels: [...kernels], stride },
        { relative: 1e-5, label, layout },
      );
    }
  }
});
