import type { Rgb } from '../classes.js';
import { Rng } from '../rng.js';
import { band, box, colours, footprint, glass, type Place, quad, wheels, windowRow } from './body.js';
import type { Tag } from './canvas.js';
import { id } from './labels.js';
import { lit, mix, type Painter } from './painter.js';
import { palette } from './palette.js';
import { frame } from './people.js';

/** A truck: a cab and a load box on wheels. */
export function paintTruck(painter: Painter, x: number, z: number, angle: number, seed: number): void {
  const rng = Rng.of(seed, 52);
  const tag = painter.thing(id.truck);
  const at = frame(x, z, angle);
  const cab = rng.pick(colours);
  const load = rng.pick(palette('cececa b2bac4 385a94 be8c3a 6e826e'));
  const long = rng.range(5, 7);
  footprint(painter, at, -long / 2 - 1, long / 2 + 1, 1.2);
  const pieces = [
    () => {
      box(painter, at, -long / 2 - 1, long / 2 - 1.1, 1.22, 0.95, rng.range(3.1, 3.6), load, tag);
      const r = -long / 2 - 1.01;
      quad(painter, at, r, 0.02, -0.02, 1, 3, lit(load, 0.55), tag);
      for (const s of [1, -1]) quad(painter, at, r, s * 1.15, s * 0.85, 0.7, 0.9, [180, 34, 30], tag);
      quad(painter, at, r, 1.15, -1.15, 0.62, 0.68, [50, 50, 52], tag);
    },
    () => {
      box(painter, at, long / 2 - 1, long / 2 + 1, 1.15, 0.5, 2.75, cab, tag);
      quad(painter, at, long / 2 + 1.02, 1, -1, 1.6, 2.5, glass, tag);
      for (const s of [1, -1]) {
        quad(painter, at, long / 2 + 1.02, s * 1.05, s * 0.7, 0.7, 0.92, [228, 230, 230], tag);
        windowRow(painter, at, s, 1.16, [[long / 2 - 0.4, long / 2 + 0.8]], 1.6, 2.4, tag);
      }
    },
  ];
  wheels(painter, at, [-long / 2, -long / 2 + 1.1, long / 2 + 0.1], 1.2, 0.48, tag, () => {
    // What is farther from the camera first.
    const cabFarther = at(long / 2, 0)[2] > at(-long / 2, 0)[2];
    for (const piece of cabFarther ? [...pieces].reverse() : pieces) piece();
  });
}

/** A city bus. */
export function paintBus(painter: Painter, x: number, z: number, angle: number, seed: number): void {
  const rng = Rng.of(seed, 53);
  const tag = painter.thing(id.bus);
  const at = frame(x, z, angle);
  const colour = rng.pick(palette('c4a42c aa2826 c8c8c4 346894 467846'));
  const h = 5.6;
  footprint(painter, at, -h, h, 1.28);
  wheels(painter, at, [-h + 2.6, h - 2.4], 1.28, 0.48, tag, () => {
    box(painter, at, -h, h, 1.27, 0.35, 3.05, colour, tag);
    const windows: [number, number][] = Array.from({ length: 7 }, (_, i) => [
      -h + 0.4 + 1.5 * i,
      -h + 1.75 + 1.5 * i,
    ]);
    for (const s of [1, -1]) {
      windowRow(painter, at, s, 1.285, windows, 1.35, 2.45, tag);
      band(painter, at, s, 1.285, -h, h, 0.35, 0.62, [48, 48, 52], tag);
    }
    busEnd(painter, at, h, colour, tag);
  });
}

function busEnd(painter: Painter, at: Place, h: number, colour: Rgb, tag: Tag): void {
  quad(painter, at, -h - 0.01, 1.1, -1.1, 1.7, 2.6, glass, tag);
  quad(painter, at, -h - 0.01, 1.15, -1.15, 0.5, 0.75, [46, 46, 50], tag);
  quad(painter, at, h + 0.01, 1.18, -1.18, 1.2, 2.6, mix(glass, painter.light.haze, 0.15), tag);
  quad(painter, at, h + 0.01, 0.9, -0.9, 2.65, 2.95, [30, 30, 30], tag);
  quad(painter, at, h + 0.01, 0.6, -0.6, 2.72, 2.88, [240, 170, 50], tag);
  for (const s of [1, -1]) {
    quad(painter, at, -h - 0.01, s * 1.2, s * 0.95, 0.9, 1.3, [180, 34, 30], tag);
    quad(painter, at, h + 0.01, s * 1.15, s * 0.8, 0.75, 0.95, [232, 232, 228], tag);
  }
  quad(painter, at, -h - 0.01, 0.3, -0.3, 0.95, 1.08, lit(colour, 1.2), tag);
}

/** A tram of `cars` cars whose nearer end is at z. */
export function paintTrain(painter: Painter, x: number, z: number, seed: number, cars = 3): void {
  const rng = Rng.of(seed, 54);
  const tag = painter.thing(id.train);
  const colour = rng.pick(palette('b02828 d0ccc4 3a6e5a ceaa34'));
  const stripe = rng.pick<Rgb>([
    [230, 226, 216],
    [50, 54, 60],
  ]);
  const length = 9;
  for (let car = cars - 1; car >= 0; car--) {
    const h = length / 2;
    const at = frame(x, z + car * (length + 0.5) + h, -Math.PI / 2);
    footprint(painter, at, -h, h, 1.2);
    wheels(painter, at, [], 1.2, 0.3, tag, () => {
      box(painter, at, -h, h, 1.22, 0.25, 3.3, colour, tag);
      const windows: [number, number][] = Array.from({ length: 5 }, (_, i) => [
        -h + 0.4 + 1.7 * i,
        -h + 1.75 + 1.7 * i,
      ]);
      for (const s of [1, -1]) {
        band(painter, at, s, 1.235, -h, h, 0.95, 1.15, stripe, tag);
        windowRow(painter, at, s, 1.235, windows, 1.35, 2.6, tag);
        band(painter, at, s, 1.235, -h, h, 0.25, 0.45, [44, 44, 48], tag);
      }
      if (car === 0) {
        quad(painter, at, h + 0.02, 1.08, -1.08, 1.3, 2.6, mix(glass, painter.light.haze, 0.12), tag);
        quad(painter, at, h + 0.02, 0.8, -0.8, 2.75, 3.1, [28, 28, 28], tag);
        quad(painter, at, h + 0.02, 0.45, -0.45, 2.82, 3.02, [244, 178, 60], tag);
        for (const s of [1, -1])
          quad(painter, at, h + 0.02, s * 1.0, s * 0.66, 0.75, 0.97, [244, 242, 230], tag);
        quad(painter, at, h + 0.02, 1.2, -1.2, 0.25, 0.5, [50, 50, 54], tag);
      }
    });
  }
}
