import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRunLengths, runLengths } from '../../src/data/rle.js';
import { Rng } from '../../src/data/rng.js';
import { paint } from '../server/support.js';

test('run lengths as text give back every class of random label images', (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  t.diagnostic(`SEED=${seed}`);
  const rng = Rng.of(seed);
  for (let round = 0; round < 40; round++) {
    const height = Math.floor(rng.range(1, 60));
    const width = Math.floor(rng.range(1, 60));
    const classes = Math.floor(rng.range(1, 5));
    const run = rng.range(0.2, 0.99);
    let label = 0;
    const labels = Uint8Array.from({ length: height * width }, () => {
      if (rng.range(0, 1) > run) label = Math.floor(rng.range(0, classes));
      return label;
    });
    const runs = runLengths(labels, height, width);
    assert.deepEqual([...runs.keys()].sort(), [...new Set(labels)].sort());
    for (const [id, list] of runs) {
      const mask = paint(encodeRunLengths(list), height, width);
      assert.deepEqual(
        mask,
        labels.map((value) => Number(value === id)),
      );
    }
  }
});

test('the texts that pycocotools gives', () => {
  // pycocotools.mask.encode of the same masks.
  const small = Uint8Array.from([0, 1, 1, 0, 1, 0, 1, 1, 0]);
  assert.equal(encodeRunLengths(runLengths(small, 3, 3).get(1)!), '252');
  const large = new Uint8Array(40 * 30);
  for (let y = 5; y < 33; y++) large[y * 30 + 4] = 1;
  for (let y = 0; y < 40; y++) large.fill(1, y * 30 + 20, y * 30 + 22);
  large[7 * 30 + 5] = 1;
  large[39 * 30 + 29] = 1;
  assert.equal(encodeRunLengths(runLengths(large, 40, 30).get(1)!), 'U5l0>UORb0_2_GaM');
});
