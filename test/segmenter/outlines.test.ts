import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outline, Point } from '../../src/index.js';
import { outlinesOf } from '../../src/segmenter/outlines.js';
import { seededRandom, testSeed } from '../backends/harness.js';

/** Which pixels' middles polygons surround, by the even-odd rule. */
function painted(outlines: readonly Outline[], width: number, height: number): Uint8Array {
  const mask = new Uint8Array(width * height);
  const rings = outlines.flatMap(({ points, holes }) => [points, ...holes]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let crossings = 0;
      for (const ring of rings) {
        ring.forEach(([bx, by], i) => {
          const [ax, ay] = ring.at(i - 1)!;
          const below = ay > y + 0.5;
          if (below !== by > y + 0.5 && x + 0.5 < ax + ((y + 0.5 - ay) / (by - ay)) * (bx - ax)) crossings++;
        });
      }
      mask[y * width + x] = crossings % 2;
    }
  }
  return mask;
}

const shoelace = (ring: readonly Point[]) =>
  ring.reduce((sum, [x, y], i) => sum + (ring.at(i - 1)![0] * y - x * ring.at(i - 1)![1]) / 2, 0);

test('outlines paint the very pixels of a class, parts and holes apart', () => {
  const seed = testSeed(5);
  const rng = seededRandom(seed);
  const random = () => rng.next();
  for (let run = 0; run < 60; run++) {
    const [width, height] = [1 + Math.floor(random() * 14), 1 + Math.floor(random() * 14)];
    const dense = random();
    const labels = Uint8Array.from({ length: width * height }, () => (random() < dense ? 1 : 0));
    const outlines = outlinesOf(labels, width, height, 1);
    const label = `seed ${seed}, run ${run}, ${width}×${height}`;
    assert.deepEqual(painted(outlines, width, height), labels, label);
    for (const { points, holes, area } of outlines) {
      assert.ok(shoelace(points) > 0, `${label}: clockwise`);
      assert.ok(
        holes.every((hole) => shoelace(hole) < 0),
        `${label}: holes the other way`,
      );
      assert.equal(shoelace(points) + holes.reduce((sum, hole) => sum + shoelace(hole), 0), area, label);
    }
    const pixels = labels.reduce((sum, value) => sum + value, 0);
    assert.equal(
      outlines.reduce((sum, { area }) => sum + area, 0),
      pixels,
      label,
    );
  }
});

test('pixels that touch at a corner are two parts; a part in a hole is a part of its own', () => {
  const corner = Uint8Array.of(1, 0, 0, 1);
  assert.deepEqual(
    outlinesOf(corner, 2, 2, 1).map(({ area }) => area),
    [1, 1],
  );
  const rings = Uint8Array.from({ length: 49 }, (_, i) => {
    const [x, y] = [i % 7, Math.floor(i / 7)];
    return Math.max(Math.abs(x - 3), Math.abs(y - 3)) % 2;
  });
  const outlines = outlinesOf(rings, 7, 7, 1);
  assert.deepEqual(
    outlines.map(({ area, holes }) => [area, holes.length]),
    [
      [24, 1],
      [8, 1],
    ],
  );
});

test('simplified outlines stay within the tolerance, and small parts are left out', () => {
  const size = 120;
  const disc = Uint8Array.from({ length: size * size }, (_, i) =>
    Math.hypot((i % size) - 60, Math.floor(i / size) - 60) < 50 ? 7 : 0,
  );
  disc[0] = 7;
  const [exact, dot] = outlinesOf(disc, size, size, 7).sort((a, b) => b.area - a.area);
  assert.equal(dot.area, 1);
  const [simple, ...others] = outlinesOf(disc, size, size, 7, { tolerance: 1.5, minArea: 2 });
  assert.equal(others.length, 0);
  assert.ok(
    simple.points.length < exact.points.length / 5,
    `${simple.points.length} of ${exact.points.length}`,
  );
  const toSegment = ([x, y]: Point, [ax, ay]: Point, [bx, by]: Point) => {
    const t = Math.max(
      0,
      Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)),
    );
    return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay));
  };
  for (const point of exact.points) {
    const off = Math.min(...simple.points.map((b, i) => toSegment(point, simple.points.at(i - 1)!, b)));
    assert.ok(off <= 1.5 + 1e-9, `${point} is ${off} away`);
  }
});
