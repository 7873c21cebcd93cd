import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rng } from '../../src/data/rng.js';
import { bucketOf } from '../../src/server/sizes.js';

const trainedOn = (image?: [number, number]) => ({ trained: { epoch: 1, step: 1, image } });

test('a picture of the trained size is shown as it is, any other nearly so, and ten thousand need few arenas', (t) => {
  assert.deepEqual(bucketOf(trainedOn([360, 480]), { height: 360, width: 480 }), { height: 360, width: 480 });
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  t.diagnostic(`SEED=${seed}`);
  const rng = Rng.of(seed);
  const buckets = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    const height = Math.round(2 ** rng.range(7, 9.1));
    const width = Math.round(height * rng.range(1, 2));
    const shown = bucketOf(trainedOn([360, 480]), { height, width });
    buckets.add(`${shown.height}×${shown.width}`);
    const side = Math.sqrt((360 * 480) / (height * width));
    const fits = Math.max(Math.min(1, 1.5 * side), Math.min(side, 3));
    for (const [side, own] of [
      [shown.height, height],
      [shown.width, width],
    ]) {
      assert.ok(Math.abs(Math.log2(side / (own * fits))) < 1 / 16 + 0.06, `${own} → ${side}`);
    }
  }
  assert.ok(buckets.size <= 18 * 10, `${buckets.size} sizes`);
  t.diagnostic(`${buckets.size} sizes`);
  // Nine and fifteen eighths of an octave above 512, in whole eights.
  const unknown = bucketOf(trainedOn(), { height: 1080, width: 1920 });
  assert.deepEqual(unknown, { height: 1120, width: 1880 });
});
