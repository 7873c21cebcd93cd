import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { MemoryError, UserError } from '../../src/errors.js';
import { makeNode } from '../../src/graph/node.js';
import { plan } from '../../src/graph/plan.js';
import type { Graph } from '../../src/ir/graph.js';
import { adapters, backendOn } from './gpu.js';
import { assertReadsInto } from './readsInto.js';

/** One call that fills a tensor. */
function filling(value: number): Graph {
  const { node, outputs } = makeNode('fill', {}, { shape: [1, 2, 3, 4], value }, 'some.fill', 'forward');
  return {
    ...{ nodes: [node], regions: [], inputs: [], params: [], states: [] },
    ...{ initial: new Map(), gradients: new Map(), outputs: { y: outputs.y } },
  };
}

for (const { name } of adapters.map(describeAdapter)) {
  test(`what goes wrong on ${name} is said in one line`, async (t) => {
    await t.test('a refused shader: the kernel, its place and size, and the reason', async () => {
      const backend = await backendOn(name);
      // No WGSL literal is not a number.
      await assert.rejects(backend.prepare(plan(filling(Number.NaN), backend.scratchBytes)), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /^webgpu: .+ refuses fill some\.fill \(1×2×3×4\): [^\n]*NaN[^\n]*$/);
        return true;
      });
      backend.dispose();
    });

    await t.test('too little memory: how much was wanted, and what helps', async () => {
      const backend = await backendOn(name, { bufferBytes: 2 ** 40 });
      const small = plan(filling(1), backend.scratchBytes);
      await assert.rejects(backend.prepare({ ...small, arenaBytes: 2 ** 38 }), (error) => {
        assert.ok(error instanceof MemoryError);
        assert.equal(error.needed, 2 ** 38);
        assert.match(error.message, /^webgpu: .+ cannot allocate 262144 MiB; use a smaller `batch` [^\n]+$/);
        return true;
      });
      // The device is still good.
      const executor = await backend.prepare(small);
      await executor.run('forward');
      assert.deepEqual(await executor.read('y'), new Float32Array(24).fill(1));
      await assertReadsInto(executor, 'y');
      await executor.dispose();
      backend.dispose();
    });
  });
}
