import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.js';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { candidatesOf } from '../../src/backends/webgpu/kernels/index.js';
import type { KernelName } from '../../src/ops/index.js';
import { kernelNames, randomCase } from './cases.js';
import { adapters, backendOn } from './gpu.js';
import type { Layout } from './harness.js';
import { assertParity, seededRandom, testSeed } from './harness.js';

const seed = testSeed(21);
const rounds = 3;

/** `assertParity` of a call whose op and inputs are known to fit. */
const parity = assertParity as (
  backend: Backend,
  op: KernelName,
  inputs: object,
  attrs: object,
  options: Parameters<typeof assertParity>[4],
) => Promise<void>;

for (const { name } of adapters.map(describeAdapter)) {
  test(`every kernel on ${name}`, async (t) => {
    const backend = await backendOn(name);
    for (const op of kernelNames) {
      await t.test(op, async () => {
        const rng = seededRandom(seed);
        for (let round = 0; round < rounds; round++) {
          const { inputs, attrs } = randomCase[op](rng);
          const label = `seed ${seed}, round ${round}`;
          let names: (string | undefined)[] = [undefined];
          const layout: Layout = {
            constants: round % 2 === 0 ? ['weight'] : [],
            algorithm(call) {
              const { able } = backend.lowering;
              names = [...names, ...candidatesOf(call, able).map((candidate) => candidate.name)];
              return undefined;
            },
          };
          await parity(backend, op, inputs, attrs, { relative: 2e-5, label, layout });
          for (const name of names.slice(2)) {
            const of = { ...layout, algorithm: () => name };
            await parity(backend, op, inputs, attrs, {
              relative: 2e-5,
              label: `${label}, ${name}`,
              layout: of,
            });
          }
        }
      });
    }
    backend.dispose();
  });
}
