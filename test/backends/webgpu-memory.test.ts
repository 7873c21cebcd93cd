import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { compileTraining } from '../../src/compile.js';
import { vnet } from '../../src/nets/vnet.js';
import { adapters, backendOn, halfAdapter } from './gpu.js';

/** Mesa compiles shaders when they first run, which here they never do. */
const adapter = halfAdapter ?? adapters.map(describeAdapter)[0];
const skip = adapter ? false : 'no WebGPU adapter';

for (const [precision, most] of [
  ['f32', 600],
  ['f16', 350],
] as const) {
  const without = precision === 'f16' && !halfAdapter ? 'no WebGPU adapter with shader-f16' : skip;
  test(`training 4×1024×2048 in ${precision} takes what the plan says`, { skip: without }, async () => {
    const backend = await backendOn(adapter.name);
    const { scratchBytes } = backend;
    const plan = compileTraining(vnet({ classes: 19 }), {
      ...{ batch: 4, height: 1024, width: 2048, precision, scratchBytes },
    });
    const executor = await backend.prepare(plan);
    const { allocatedBytes } = executor;
    await executor.dispose();
    backend.dispose();
    assert.ok(allocatedBytes <= most * 2 ** 20, `${allocatedBytes} bytes`);
    // Beside the arena only the uniforms that say where tensors start: 256 bytes a dispatch.
    const beside = allocatedBytes - plan.arenaBytes;
    assert.ok(beside >= 0 && beside < 256 * 1024, `${beside} bytes beside the plan`);
  });
}
