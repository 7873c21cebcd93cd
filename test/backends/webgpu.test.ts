import { test } from 'node:test';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { candidatesParity } from './candidates.js';
import { kernelNames, randomCase } from './cases.js';
import { adapters, backendOn } from './gpu.js';
import { seededRandom, testSeed } from './harness.js';

const seed = testSeed(21);
const rounds = 3;

for (const { name } of adapters.map(describeAdapter)) {
  test(`every kernel on ${name}`, async (t) => {
    const backend = await backendOn(name);
    for (const op of kernelNames) {
      await t.test(op, async () => {
        const rng = seededRandom(seed);
        for (let round = 0; round < rounds; round++) {
          const { inputs, attrs } = randomCase[op](rng);
          const label = `seed ${seed}, round ${round}`;
          await candidatesParity(backend, rng, { op, inputs, attrs }, { relative: 2e-5, label, most: 3 });
        }
      });
    }
    backend.dispose();
  });
}
