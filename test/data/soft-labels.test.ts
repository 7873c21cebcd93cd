import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { drawLabelsInPlace, type SoftLabels, softRng, softSize } from '../../src/data/augment/softLabels.js';
import { Rng } from '../../src/data/rng.js';
import { readSoftLabels, writeSoftLabels } from '../../src/data/softLabels.js';
import { UserError } from '../../src/errors.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-soft-'));
after(() => rmSync(folder, { recursive: true }));

const seed = Number(process.env.VNET_SEED ?? Date.now() % 1e6);

function randomSoft(rng: Rng, height: number, width: number, classes: number): SoftLabels {
  const data = Uint8Array.from({ length: height * width * classes }, () =>
    rng.chance(0.4) ? 0 : rng.int(256),
  );
  for (let i = 0; i < data.length; i += classes) data[i + rng.int(classes)] ||= 1 + rng.int(255);
  return { height, width, classes, data };
}

test(`labels are drawn as often as bilinear interpolation says (seed ${seed})`, () => {
  const rng = Rng.of(seed);
  const [height, width, classes, draws] = [9 + rng.int(8), 9 + rng.int(8), 2 + rng.int(5), 4000];
  const soft = randomSoft(
    rng,
    softSize({ height, width }).height,
    softSize({ height, width }).width,
    classes,
  );
  const share = 0.2 + 0.8 * rng.next();
  const before = Uint8Array.from({ length: height * width }, () =>
    rng.chance(0.2) ? 255 : rng.int(classes),
  );
  const counts = new Float64Array(height * width * 256);
  for (let draw = 0; draw < draws; draw++) {
    const labels = { height, width, data: Uint8Array.from(before) };
    drawLabelsInPlace(labels, soft, share, softRng(seed, draw, 3));
    for (const [p, label] of labels.data.entries()) counts[p * 256 + label]++;
  }
  // The probability of each class, by the formula of bilinear interpolation with half-pixel centres.
  const at = (y: number, x: number, c: number) => {
    const start = (y * soft.width + x) * classes;
    const cell = soft.data.subarray(start, start + classes);
    return cell[c] / cell.reduce((a, b) => a + b, 0);
  };
  const clamp = (v: number, most: number) => Math.min(most, Math.max(0, v));
  let worst = 0;
  for (let p = 0; p < before.length; p++) {
    const v = clamp(((Math.floor(p / width) + 0.5) / height) * soft.height - 0.5, soft.height - 1);
    const u = clamp((((p % width) + 0.5) / width) * soft.width - 0.5, soft.width - 1);
    const [y, x] = [Math.floor(v), Math.floor(u)];
    const [y1, x1] = [Math.min(y + 1, soft.height - 1), Math.min(x + 1, soft.width - 1)];
    for (let c = 0; c < classes; c++) {
      const upper = at(y, x, c) * (1 - u + x) + at(y, x1, c) * (u - x);
      const lower = at(y1, x, c) * (1 - u + x) + at(y1, x1, c) * (u - x);
      const chance = share * (upper * (1 - v + y) + lower * (v - y)) + (before[p] === c ? 1 - share : 0);
      const deviation = Math.sqrt(Math.max(chance * (1 - chance), 1e-9) / draws);
      worst = Math.max(worst, Math.abs(counts[p * 256 + c] / draws - chance) / (deviation + 1e-4));
    }
  }
  // Of some thousand frequencies, none is further from its probability than six deviations.
  assert.ok(worst < 6, `${worst} deviations`);
});

test('soft labels come back from their file; damaged ones and those of another picture are one line', async () => {
  const soft = randomSoft(Rng.of(3), 7, 5, 4);
  const file = path.join(folder, '0.soft');
  await writeSoftLabels(file, soft);
  const size = { height: 7, width: 5, classes: 4 };
  assert.deepEqual({ ...(await readSoftLabels(file, size)), data: [] }, { ...soft, data: [] });
  assert.deepEqual([...(await readSoftLabels(file, size)).data], [...soft.data]);
  const fails = (expected: typeof size) =>
    assert.rejects(
      readSoftLabels(file, expected),
      (error) =>
        error instanceof UserError && error.message.startsWith(file) && !error.message.includes('\n'),
    );
  await fails({ ...size, height: 5, width: 7 });
  await fails({ ...size, classes: 3 });
  const bytes = readFileSync(file);
  for (const damaged of [
    bytes.subarray(0, 20),
    gzipSync(Buffer.alloc(1 << 20)),
    Buffer.from('no soft labels'),
  ]) {
    writeFileSync(file, damaged);
    await fails(size);
  }
});
