import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Rng } from '../../src/data/rng.js';
import { UserError } from '../../src/errors.js';
import type { Metrics } from '../../src/train/metrics.js';
import { MetricsFile, readMetrics } from '../../src/train/metrics.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-metrics-'));
after(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'metrics.jsonl');

const line = (step: number): Metrics => ({
  type: 'step',
  epoch: 0,
  step,
  loss: 1 / step,
  learningRate: 1e-3,
  gradientNorm: 2,
  imagesPerSecond: 3.5,
  dataWait: 0.01,
  rssBytes: 1e8,
});

async function write(bytes: number, steps: number[]): Promise<number> {
  const metrics = await MetricsFile.open(file, bytes);
  for (const step of steps) await metrics.append(line(step));
  const length = await metrics.sync();
  await metrics.close();
  return length;
}

const stepsOf = async () => (await readMetrics(file)).map(({ step }) => step);

test('a resumed run cuts what came after its checkpoint', async () => {
  const saved = await write(0, [1, 2, 3]);
  await write(saved, [4, 5]);
  appendFileSync(file, '{"type":"st');
  assert.deepEqual(await stepsOf(), [1, 2, 3, 4, 5]);
  await write(saved, [4]);
  assert.deepEqual(await stepsOf(), [1, 2, 3, 4]);
  await write(0, [1]);
  assert.deepEqual(await stepsOf(), [1]);
});

test('a file that lost lines since the checkpoint keeps its whole lines', async () => {
  const saved = await write(0, [1, 2]);
  truncateSync(file, saved - 5);
  await write(saved, [3]);
  assert.deepEqual(await stepsOf(), [1, 3]);
});

test('scores that do not exist are null, and come back so', async () => {
  const metrics = await MetricsFile.open(file, 0);
  const validation: Metrics = {
    type: 'validation',
    epoch: 1,
    step: 8,
    miou: null,
    pixelAccuracy: 0.5,
    classIou: [0.25, null],
    seconds: 2,
  };
  await metrics.append(validation);
  await metrics.close();
  assert.deepEqual(await readMetrics(file), [validation]);
});

test('300 random damages: each is refused with the file’s name, or leaves only well-formed lines', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 100000);
  const rng = Rng.of(seed);
  await write(0, [1, 2, 3, 4, 5, 6]);
  const good = readFileSync(file);
  let refused = 0;
  for (let i = 0; i < 300; i++) {
    const bad = Buffer.from(good);
    const count = 1 + rng.int(4);
    for (let k = 0; k < count; k++) bad[rng.int(bad.length)] = rng.int(256);
    writeFileSync(file, rng.chance(0.3) ? bad.subarray(0, rng.int(bad.length)) : bad);
    try {
      for (const { type, step } of await readMetrics(file)) {
        assert.ok(
          ['step', 'validation'].includes(type) && Number.isInteger(step),
          `seed ${seed}, damage ${i}`,
        );
      }
    } catch (error) {
      assert.ok(error instanceof UserError, `seed ${seed}, damage ${i}: ${error}`);
      assert.match(error.message, /^[^\n]*metrics\.jsonl: [^\n]+$/);
      refused++;
    }
  }
  assert.ok(refused > 100, `seed ${seed}: only ${refused} refused`);
});
