/** What joining calls saves on a GPU, counted from the dispatches; no adapter is needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Choices } from '../../src/backends/webgpu/choices.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import { leastCapabilities } from '../../src/backends/webgpu/kernels/kernel.js';
import { Lowering } from '../../src/backends/webgpu/lowering.js';
import { usesOf } from '../../src/backends/webgpu/shader.js';
import { compileInference } from '../../src/compile.js';
import type { Call, ScratchRule } from '../../src/graph/planned.js';
import { bytesOf } from '../../src/ir/value.js';
import { vnet } from '../../src/nets/vnet.js';
import { chooseJoined } from './joining.js';

const size = { batch: 1, height: 1024, width: 2048, consumesImages: true } as const;
type Precision = 'f32' | 'f16';

const planOf = (precision: Precision, scratchBytes: ScratchRule) =>
  compileInference(vnet({ classes: 19 }), { ...size, precision, scratchBytes });

function joining(precision: Precision, wanted?: (first: Call, second: Call) => boolean): Lowering {
  const lowering = new Lowering(leastCapabilities, new Choices(), everyWay);
  chooseJoined(lowering, (rule) => planOf(precision, rule), wanted);
  return lowering;
}

/** Dispatches of a run, and the bytes of the tensors that each reads and writes. */
function costOf(precision: Precision, lowering: Lowering): { dispatches: number; megabytes: number } {
  let before: Call | undefined;
  let dispatches = 0;
  let bytes = 0;
  for (const call of planOf(precision, lowering.rule).calls) {
    if (call.phase !== 'forward') continue;
    for (const dispatch of lowering.lower(call, before)) {
      if (dispatch.once) continue;
      dispatches++;
      for (const { ref } of Object.values(usesOf(dispatch))) bytes += bytesOf(ref);
    }
    before = call;
  }
  return { dispatches, megabytes: Math.round(bytes / 1e6) };
}

test('inference at 1024×2048: six dispatches fewer with F and G joined, ten with all pairs', () => {
  const isPart = (_: Call, { label }: Call): boolean => /\.[FG]\./.test(label);
  assert.deepEqual(
    costOf(
      'f32',
      joining('f32', () => false),
    ),
    { dispatches: 21, megabytes: 639 },
  );
  assert.deepEqual(costOf('f32', joining('f32', isPart)), { dispatches: 15, megabytes: 492 });
  assert.deepEqual(costOf('f32', joining('f32')), { dispatches: 11, megabytes: 403 });
  assert.deepEqual(costOf('f16', joining('f16')), { dispatches: 11, megabytes: 206 });
});
