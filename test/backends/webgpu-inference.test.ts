import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Choices } from '../../src/backends/webgpu/choices.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import { inferenceWays } from '../../src/backends/webgpu/kernels/inference.js';
import { leastCapabilities } from '../../src/backends/webgpu/kernels/kernel.js';
import { Lowering } from '../../src/backends/webgpu/lowering.js';
import { compileInference } from '../../src/compile.js';
import { networkFromConfig, networkNames } from '../../src/nets/index.js';

test('a page without training and tuning computes every call of inference as the whole backend does', () => {
  const able = { ...leastCapabilities, features: new Set(['shader-f16']) };
  const few = new Lowering(able, new Choices(), inferenceWays);
  const all = new Lowering(able, new Choices(), everyWay);
  const seen = new Set<string>();
  for (const name of networkNames) {
    const net = networkFromConfig(name, { classes: 5 });
    for (const precision of ['f32', 'f16'] as const) {
      const size = { batch: 1, height: 64, width: 96, precision } as const;
      const plan = compileInference(net, { ...size, scratchBytes: few.rule });
      assert.deepEqual(plan, compileInference(net, { ...size, scratchBytes: all.rule }), name);
      for (const [i, call] of plan.calls.entries()) {
        seen.add(call.op);
        const [mine, whole] = [few, all].map((lowering) => lowering.lower(call, plan.calls[i - 1]));
        assert.deepEqual(
          mine.map(({ code }) => code),
          whole.map(({ code }) => code),
          `${name} ${call.label}`,
        );
      }
    }
  }
  assert.ok(seen.size >= 8, [...seen].join(', '));
});
