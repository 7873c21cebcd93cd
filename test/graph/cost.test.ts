import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileInference, compileTraining } from '../../src/compile.js';
import { costOf } from '../../src/graph/cost.js';
import { policies } from '../../src/graph/differentiate.js';
import type { Plan, TensorRef } from '../../src/graph/planned.js';
import { vnet } from '../../src/nets/vnet.js';

const net = vnet({ classes: 5, widths: [16, 32] });
const options = { batch: 2, height: 37, width: 50, scratchBytes: () => 256 };

/** Addresses of a tensor's elements. */
function* elements({ shape: [n, h, w, c], offset, pixelStride, dtype }: TensorRef): Generator<number> {
  const bytes = dtype === 'f32' ? 4 : 1;
  for (let pixel = 0; pixel < n * h * w; pixel++) {
    for (let channel = 0; channel < c; channel++) yield offset + bytes * (pixel * pixelStride + channel);
  }
}

/** Bytes of forward results that backward calls read, found by following every element through the plan. */
function keptByElement(plan: Plan): number {
  const writtenForward = new Map<number, number>();
  let kept = 0;
  for (const { phase, inputs, outputs } of plan.calls) {
    if (phase === 'backward') {
      for (const ref of Object.values(inputs).filter(Boolean) as TensorRef[]) {
        for (const address of elements(ref)) {
          kept += writtenForward.get(address) ?? 0;
          writtenForward.delete(address);
        }
      }
    }
    for (const ref of Object.values(outputs).filter(Boolean) as TensorRef[]) {
      for (const address of elements(ref)) {
        if (phase === 'forward') writtenForward.set(address, ref.dtype === 'f32' ? 4 : 1);
        else writtenForward.delete(address);
      }
    }
  }
  return kept;
}

for (const policy of policies) {
  test(`cost of a training plan, ${policy}`, () => {
    const plan = compileTraining(net, { ...options, policy });
    const { stages, total } = costOf(plan);
    assert.deepEqual(
      stages.map(({ stage }) => stage),
      ['stem', 'stage2', 'stage3', 'head', 'loss', 'optimiser'],
    );
    const sum = (of: (stage: (typeof stages)[number]) => number) =>
      stages.reduce((all, stage) => all + of(stage), 0);
    assert.equal(
      sum(({ parameters }) => parameters),
      plan.parameters,
    );
    const flops = plan.calls.reduce((all, call) => all + call.flops, 0);
    const { forward, recompute, backward } = total.flops;
    assert.ok(Math.abs(forward + recompute + backward - flops) < 1e-6 * flops);
    assert.equal(recompute === 0, policy === 'save');
    assert.equal(total.peakBytes, plan.peak.bytes);
    assert.equal(total.keptBytes, keptByElement(plan));
    assert.deepEqual(
      stages.map(({ output }) => output?.join('×')),
      ['2×19×25×8', '2×10×13×16', '2×5×7×32', '2×5×7×5', '2×5×7×5', undefined],
    );
  });
}

test('policies keep less the more they recompute', () => {
  const kept = policies.map((policy) => costOf(compileTraining(net, { ...options, policy })).total.keptBytes);
  assert.ok(kept[0] < kept[1] && kept[1] < kept[2], kept.join(' < '));
});

test('cost of an inference plan', () => {
  const plan = compileInference(net, options);
  const { stages, total } = costOf(plan);
  assert.deepEqual(
    stages.map(({ stage }) => stage),
    ['stem', 'stage2', 'stage3', 'head', 'argmax'],
  );
  assert.equal(total.keptBytes, 0);
  assert.deepEqual(stages[4].output, [2, 37, 50, 1]);
});
