import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adamHyper } from '../../src/ops/adam.js';
import { hyperOf } from '../../src/optimizers/index.js';
import { learningRateAt } from '../../src/train/schedule.js';

const close = (actual: number, expected: number, relative = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= relative * Math.abs(expected), `${actual} instead of ${expected}`);

test('poly', () => {
  const schedule = { kind: 'poly', learningRate: 5e-4, steps: 1000 } as const;
  close(learningRateAt(schedule, 0), 5e-4);
  close(learningRateAt(schedule, 500), 5e-4 * 0.535886731268146);
  close(learningRateAt(schedule, 999), 5e-4 * 0.001995262314968883);
  assert.equal(learningRateAt(schedule, 1000), 0);
  assert.equal(learningRateAt(schedule, 2000), 0);
  close(learningRateAt({ ...schedule, power: 2 }, 500), 5e-4 / 4);
});

test('cosine and constant', () => {
  const cosine = { kind: 'cosine', learningRate: 0.2, steps: 400 } as const;
  close(learningRateAt(cosine, 0), 0.2);
  close(learningRateAt(cosine, 100), 0.1 * (1 + Math.SQRT1_2));
  close(learningRateAt(cosine, 200), 0.1);
  close(learningRateAt({ ...cosine, kind: 'constant' }, 399), 0.2);
});

test('warm-up rises linearly to the highest rate, then the schedule runs over the steps that are left', () => {
  const schedule = { kind: 'poly', learningRate: 1, steps: 104, warmup: 4, power: 1 } as const;
  const rates = [0, 1, 2, 3, 4, 54].map((step) => learningRateAt(schedule, step));
  for (const [i, expected] of [0.2, 0.4, 0.6, 0.8, 1, 0.5].entries()) close(rates[i], expected);
});

test('hyper-parameters of Adam and AdamW', () => {
  const adam = hyperOf({ kind: 'adam' }, 0.01, 3);
  close(adam[adamHyper.learningRate], 0.01, 1e-7);
  close(adam[adamHyper.correction1], 1 - 0.729, 1e-6);
  close(adam[adamHyper.correction2], 0.002997001, 1e-6);
  close(adam[adamHyper.weightDecay], 1e-4, 1e-6);
  assert.equal(adam[adamHyper.decoupledDecay], 0);
  const adamw = hyperOf({ kind: 'adamw', weightDecay: 0.05 }, 0.01, 1);
  assert.equal(adamw[adamHyper.weightDecay], 0);
  close(adamw[adamHyper.decoupledDecay], 0.05, 1e-6);
});
