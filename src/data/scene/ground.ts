import type { Canvas } from './canvas.js';
import { id } from './labels.js';
import { fractal, noise } from './noise.js';
import type { Camera, Light, Painter } from './painter.js';
import type { Lot, Side, Street } from './plan.js';

/** Fills everything below the horizon by casting each pixel onto the plane y = 0. */
export function paintGround(painter: Painter, street: Street): void {
  const { canvas, camera, light } = painter;
  const first = Math.max(0, Math.floor(camera.horizon) + 1);
  for (let y = first; y < canvas.height; y++) paintRow(canvas, camera, light, street, y);
}

function paintRow(canvas: Canvas, camera: Camera, light: Light, street: Street, y: number): void {
  const z = (camera.focal * camera.height) / Math.max(0.05, y + 0.5 - camera.horizon);
  // Size of one pixel on the ground, across and along.
  const dx = z / camera.focal;
  const dz = (z * dx) / camera.height;
  const shift = camera.bend * z * z;
  const haze = Math.exp(-z / light.visibility);
  const grassLeft = isGrass(street.left, z);
  const grassRight = isGrass(street.right, z);
  const shadowLeft = light.side < 0 ? shadowReach(street.left, z, light) : 0;
  const shadowRight = light.side > 0 ? shadowReach(street.right, z, light) : 0;
  const { rgb, labels, instances, width } = canvas;
  const fine = detail(0.07, dx);
  const mid = detail(0.5, dx);
  const tile = detail(0.3, dx);
  const zebra = street.crossing === undefined ? 0 : band(z, street.crossing, street.crossing + 3, dz);
  const stop = street.crossing === undefined ? 0 : band(z, street.crossing - 1.5, street.crossing - 1.1, dz);
  const dash = dashes(z, 6, 3, dz);
  const kerbL = -street.left.kerb;
  const kerbR = street.right.kerb;
  for (let x = 0, p = y * width; x < width; x++, p++) {
    const gx = (x + 0.5 - camera.centreX) * dx - shift;
    const side = gx < 0 ? street.left : street.right;
    const out = gx < 0 ? -gx : gx;
    const grass = gx < 0 ? grassLeft : grassRight;
    let label: number = id.road;
    let r: number;
    let g: number;
    let b: number;
    const big = noise(gx * 0.35 + street.phase, z * 0.12);
    const grain = fine > 0 ? fine * noise(gx * 23 + street.phase, z * 23) : 0;
    const patch = mid > 0 ? mid * noise(gx * 2.1, z * 1.3 + street.phase) : 0;
    if (out <= side.kerb) {
      const f = 1 + 0.05 * big + 0.07 * grain + 0.035 * patch;
      r = street.asphalt[0] * f;
      g = street.asphalt[1] * f;
      b = street.asphalt[2] * f;
      let mark = 0;
      if (street.middle !== undefined)
        mark = line(gx, street.middle, 0.07, dx) * (street.lanes.length > 1 ? 1 : dash);
      for (const lane of street.lanes) mark = Math.max(mark, line(gx, lane, 0.06, dx) * dash);
      mark = Math.max(mark, line(gx, kerbL + 0.35, 0.05, dx), line(gx, kerbR - 0.35, 0.05, dx));
      if (zebra > 0) mark = Math.max(mark * (1 - zebra), zebra * dashes(gx + 100, 1.1, 0.55, dx));
      if (stop > 0 && (street.middle === undefined || gx > street.middle)) mark = Math.max(mark, stop);
      if (street.track !== undefined) {
        const rail = Math.max(
          line(gx, street.track - 0.72, 0.05, dx),
          line(gx, street.track + 0.72, 0.05, dx),
        );
        r += (150 - r) * rail * 0.7;
        g += (148 - g) * rail * 0.7;
        b += (146 - b) * rail * 0.7;
        const bed = Math.abs(gx - street.track) < 1.2 ? 0.9 : 1;
        r *= bed;
        g *= bed;
        b *= bed;
      }
      mark *= 0.78 + 0.22 * patch;
      r += (205 - r) * mark;
      g += (205 - g) * mark;
      b += (200 - b) * mark;
    } else if (out <= side.walk || !grass) {
      label = id.sidewalk;
      const joints =
        1 -
        0.16 * tile * Math.max(dashes(gx + 100, 0.5, 0.03, dx), dashes(z, 0.5, 0.03, dz) * detail(0.3, dz));
      const cell = tile * 0.06 * noise(Math.floor(gx * 2) * 7.3, Math.floor(z * 2) * 5.7);
      const f = (1 + 0.05 * big + 0.05 * grain + cell) * joints;
      r = street.paving[0] * f;
      g = street.paving[1] * f;
      b = street.paving[2] * f;
      const kerb = out < side.kerb + 0.18 ? 1.18 : 1;
      const gutter = out < side.kerb + 0.05 ? 0.7 : 1;
      r *= kerb * gutter;
      g *= kerb * gutter;
      b *= kerb * gutter;
    } else {
      label = id.terrain;
      const f = 1 + 0.12 * big + 0.2 * grain + 0.12 * patch + 0.1 * detail(1.5, dz) * fractal(gx, z * 0.5, 2);
      r = street.grass[0] * f + 14 * big;
      g = street.grass[1] * f;
      b = street.grass[2] * f;
    }
    // Shadows of the houses: soft at the edge, never fully dark.
    const reach = gx < 0 || shadowLeft > 0 ? gx + street.left.front : 0;
    let dark = 0;
    if (shadowLeft > 0) dark = edge(shadowLeft - reach, 0.25 + dx);
    else if (shadowRight > 0) dark = edge(shadowRight - (street.right.front - gx), 0.25 + dx);
    const brightness = 1 - light.sun * 0.52 * dark;
    const o = 3 * p;
    rgb[o] = light.haze[0] + (r * brightness - light.haze[0]) * haze;
    rgb[o + 1] = light.haze[1] + (g * brightness - light.haze[1]) * haze;
    rgb[o + 2] = light.haze[2] + (b * (brightness * 0.94 + 0.06) - light.haze[2]) * haze;
    labels[p] = label;
    instances[p] = label;
  }
}

/** The lot at distance z; the last one stands for everything behind it. */
export function lotAt(side: Side, z: number): Lot {
  for (const lot of side.lots) if (z < lot.z1) return lot;
  return side.lots[side.lots.length - 1];
}

function isGrass(side: Side, z: number): boolean {
  return lotAt(side, z).kind !== 'building' || side.front - side.walk > 0.5;
}

/** How far the shadow of the lot at z reaches from the front into the street. */
function shadowReach(side: Side, z: number, light: Light): number {
  // The sun stands a little behind the camera, so shadows lean away from it.
  const lot = lotAt(side, z - 2.5);
  return lot.kind === 'building' || lot.kind === 'wall' ? lot.height * light.slant : 0;
}

/** 1 where texture of this size (metres) is larger than a few pixels, fading to 0 where it would alias. */
function detail(size: number, pixel: number): number {
  const t = size / pixel - 1;
  return t < 0 ? 0 : t > 2 ? 1 : t / 2;
}

/** How much of a pixel of width w lies within half of a line's width of its centre. */
function line(x: number, centre: number, half: number, w: number): number {
  const d = Math.abs(x - centre) - half;
  const t = 0.5 - d / w;
  const limit = Math.min(1, (2 * half) / w);
  return t < 0 ? 0 : Math.min(t, limit);
}

function band(z: number, from: number, to: number, w: number): number {
  return line(z, (from + to) / 2, (to - from) / 2, w);
}

/** Coverage of a periodic pattern that is on for `on` of every `period`, averaged over a pixel of width w. */
function dashes(x: number, period: number, on: number, w: number): number {
  if (w > period) return on / period;
  const t = x / period;
  const q = (t - Math.floor(t)) * period;
  return Math.max(line(q, on / 2, on / 2, w), line(q - period, on / 2, on / 2, w));
}

function edge(d: number, soft: number): number {
  const t = 0.5 + d / (2 * soft);
  return t < 0 ? 0 : Math.min(t, 1);
}
