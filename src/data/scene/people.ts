import type { Rgb } from '../classes.js';
import { Rng } from '../rng.js';
import type { Tag } from './canvas.js';
import { id } from './labels.js';
import { lit, type Painter, type Vec3 } from './painter.js';
import { palette } from './palette.js';

const cloth = palette('343846 78282a 2c426e 96928a 282a2c 465c48 bab2a0 ac7838 60466e');
const skins = palette('e0b294 c49070 805842 ecc4aa');

/** A frame that stands on the ground at (x, z) and looks along `angle` (0: to the right, π/2: away). */
export function frame(x: number, z: number, angle: number) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  /** `along` metres forwards, `y` up, `across` to the left of the direction. */
  return (along: number, y: number, across = 0): Vec3 => [
    x + along * c - across * s,
    y,
    z + along * s + across * c,
  ];
}

/** A person walking or standing. */
export function paintPerson(painter: Painter, x: number, z: number, angle: number, seed: number): void {
  const rng = Rng.of(seed, 41);
  const tag = painter.thing(id.person);
  const k = rng.range(0.92, 1.08) * (rng.chance(0.12) ? 0.68 : 1);
  const stride = rng.chance(0.3) ? 0.06 : rng.range(0.15, 0.3);
  const at0 = frame(x, z, angle);
  const at = (a: number, y: number, b = 0) => at0(a * k, y * k, b * k);
  const shirt = rng.pick(cloth);
  const trousers = lit(rng.pick(cloth), 0.7);
  const skin = rng.pick(skins);
  const hair = rng.pick(palette('28201c 563e28 a08256 787674'));
  const limb = (p: Vec3, q: Vec3, r: number, s: number, colour: Rgb) =>
    painter.capsule(p, q, r * k, s * k, { colour }, tag);
  painter.shadow(x, z, 0.4 * k, 0.28 * k, 0.55);
  const swing = stride * 0.9;
  limb(at(0, 1.32, 0.2), at(swing, 0.95, 0.24), 0.065, 0.05, lit(shirt, 0.8));
  for (const [foot, across, tone] of [
    [-stride, 0.09, 0.82],
    [stride, -0.09, 1],
  ]) {
    const knee = at(foot * 0.6 + 0.05, 0.48, across);
    limb(at(0, 0.88, across), knee, 0.1, 0.075, lit(trousers, tone));
    limb(knee, at(foot, 0.08, across), 0.075, 0.055, lit(trousers, tone * 0.95));
    limb(at(foot, 0.045, across), at(foot + 0.16, 0.04, across), 0.05, 0.04, [44, 40, 38]);
  }
  const coat = rng.chance(0.35) ? 0.72 : 0.92;
  limb(at(0, coat, 0.05), at(0.01, 1.38, 0.1), 0.15, 0.11, lit(shirt, 0.92));
  limb(at(0, coat, -0.05), at(0.01, 1.38, -0.1), 0.15, 0.11, shirt);
  limb(at(0, 1.34, -0.19), at(-swing * 0.5, 1.1, -0.24), 0.065, 0.055, lit(shirt, 1.06));
  limb(
    at(-swing * 0.5, 1.1, -0.24),
    at(-swing * 0.3, 0.86, -0.23),
    0.05,
    0.045,
    rng.chance(0.5) ? skin : lit(shirt, 1.06),
  );
  if (rng.chance(0.3)) limb(at(-0.17, 1.05), at(-0.17, 1.32), 0.12, 0.1, rng.pick(cloth));
  headOf(painter, at(0.02, 1.62), 0.108 * k, skin, hair, tag, at(-0.03, 1.65));
}

function headOf(painter: Painter, p: Vec3, r: number, skin: Rgb, hair: Rgb, tag: Tag, back: Vec3): void {
  painter.capsule([p[0], p[1] - 2.2 * r, p[2]], p, r * 0.55, r * 0.6, { colour: lit(skin, 0.85) }, tag);
  painter.disc(p, r, { colour: skin }, tag, 0.86);
  painter.disc([back[0], back[1] + r * 0.25, back[2]], r * 0.95, { colour: hair }, tag, 0.92);
}

/** A bicycle or motorcycle; `rider` puts a person on it. */
export function paintTwoWheeler(
  painter: Painter,
  kind: 'bicycle' | 'motorcycle',
  x: number,
  z: number,
  angle: number,
  seed: number,
  rider: boolean,
): void {
  const rng = Rng.of(seed, 42);
  const motor = kind === 'motorcycle';
  const tag = painter.thing(motor ? id.motorcycle : id.bicycle);
  const at = frame(x, z, angle);
  const colour = rng.pick(palette('961e22 223c78 242628 c4c4be 286446 d28c28'));
  painter.shadow(x, z, Math.abs(Math.cos(angle)) * 0.8 + 0.2, Math.abs(Math.sin(angle)) * 0.8 + 0.2, 0.7);
  const r = motor ? 0.3 : 0.34;
  const base = motor ? 0.68 : 0.53;
  wheel(painter, at, -base, r, motor ? 0.075 : 0.022, tag);
  wheel(painter, at, base, r, motor ? 0.075 : 0.022, tag);
  if (motor) motorBody(painter, at, colour, tag);
  else bicycleFrame(painter, at, colour, tag);
  if (rider) paintRider(painter, at, motor, rng);
}

type Place = ReturnType<typeof frame>;

/** A ring of short limbs; the see-through inside carries the label too, as annotators do. */
function wheel(painter: Painter, at: Place, along: number, r: number, thick: number, tag: Tag): void {
  const ring: Vec3[] = [];
  for (let i = 0; i < 18; i++) {
    const t = (2 * Math.PI * i) / 18;
    ring.push(at(along + r * Math.cos(t), r + thick + r * Math.sin(t)));
  }
  painter.polygon(ring, { colour: [60, 62, 66], opacity: thick > 0.05 ? 0.8 : 0.3 }, tag);
  for (let i = 0; i < 18; i++)
    painter.capsule(ring[i], ring[(i + 1) % 18], thick, thick, { colour: [28, 28, 30] }, tag);
  painter.disc(at(along, r + thick), thick > 0.05 ? 0.1 : 0.035, { colour: [150, 150, 152] }, tag);
}

function bicycleFrame(painter: Painter, at: Place, colour: Rgb, tag: Tag): void {
  const tube = (p: Vec3, q: Vec3, r = 0.024, c: Rgb = colour) =>
    painter.capsule(p, q, r, r, { colour: c }, tag);
  const crank = at(-0.08, 0.3);
  const seat = at(-0.22, 0.82);
  const head = at(0.36, 0.84);
  tube(at(-0.53, 0.36), crank);
  tube(at(-0.53, 0.36), seat, 0.018);
  tube(crank, seat);
  tube(crank, head);
  tube(seat, head);
  tube(head, at(0.53, 0.36), 0.022);
  tube(head, at(0.33, 1.0), 0.02, [40, 40, 42]);
  tube(at(0.36, 1.02, 0.25), at(0.36, 1.02, -0.25), 0.022, [40, 40, 42]);
  tube(at(-0.32, 0.92), at(-0.14, 0.93), 0.05, [34, 32, 32]);
}

function motorBody(painter: Painter, at: Place, colour: Rgb, tag: Tag): void {
  const part = (p: Vec3, q: Vec3, r: number, s: number, c: Rgb) =>
    painter.capsule(p, q, r, s, { colour: c }, tag);
  part(at(-0.2, 0.42), at(0.25, 0.44), 0.2, 0.2, [66, 66, 70]);
  part(at(0.5, 0.95), at(0.68, 0.36), 0.05, 0.05, [150, 150, 154]);
  part(at(-0.65, 0.62), at(-0.1, 0.72), 0.13, 0.14, lit(colour, 0.8));
  part(at(0.05, 0.76), at(0.4, 0.86), 0.17, 0.14, colour);
  part(at(-0.6, 0.8), at(-0.12, 0.8), 0.08, 0.09, [30, 30, 32]);
  part(at(0.5, 0.9), at(0.6, 1.08), 0.14, 0.1, lit(colour, 1.1));
  part(at(0.45, 1.06, 0.34), at(0.45, 1.06, -0.34), 0.03, 0.03, [36, 36, 38]);
  part(at(-0.8, 0.72), at(-0.76, 0.72), 0.06, 0.06, [180, 40, 36]);
  part(at(-0.7, 0.34, -0.18), at(-0.1, 0.36, -0.18), 0.06, 0.04, [140, 140, 144]);
}

function paintRider(painter: Painter, at: Place, motor: boolean, rng: Rng): void {
  const tag = painter.thing(id.rider);
  const shirt = rng.pick(cloth);
  const trousers = lit(rng.pick(cloth), 0.7);
  const skin = rng.pick(skins);
  const limb = (p: Vec3, q: Vec3, r: number, s: number, colour: Rgb) =>
    painter.capsule(p, q, r, s, { colour }, tag);
  const y = motor ? 0.9 : 0.98;
  for (const [foot, lift, across] of [
    [-0.06, 0.18, 0.1],
    [0, 0.46, -0.1],
  ]) {
    const f = motor ? 0.3 : lift;
    const knee = at(0.2, 0.5 + f * 0.45, across * 1.4);
    limb(at(-0.22, y, across), knee, 0.1, 0.075, trousers);
    limb(knee, at(foot, f, across * 1.3), 0.07, 0.05, trousers);
    limb(at(foot, f, across * 1.3), at(foot + 0.14, f - 0.02, across * 1.3), 0.045, 0.04, [40, 38, 38]);
  }
  limb(at(-0.22, y, 0.06), at(0.02, y + 0.5, 0.12), 0.15, 0.12, lit(shirt, 0.9));
  limb(at(-0.22, y, -0.06), at(0.02, y + 0.5, -0.12), 0.15, 0.12, shirt);
  for (const across of [0.22, -0.22]) {
    const elbow = at(0.2, y + 0.22, across * 1.2);
    limb(at(0.02, y + 0.46, across), elbow, 0.06, 0.05, lit(shirt, 1.05));
    limb(elbow, at(0.42, motor ? 1.1 : 1.05, across), 0.05, 0.04, motor ? lit(shirt, 1.05) : skin);
  }
  const head = at(0.1, y + 0.74);
  headOf(painter, head, 0.11, skin, [48, 38, 32], tag, at(0.06, y + 0.77));
  if (motor || rng.chance(0.5)) {
    const helmet = rng.pick(cloth);
    painter.disc([head[0], head[1] + 0.05, head[2]], motor ? 0.15 : 0.125, { colour: lit(helmet, 1.1) }, tag);
    const visor = at(0.19, y + 0.75);
    if (motor && visor[2] < head[2] - 0.03) painter.disc(visor, 0.07, { colour: [30, 34, 40] }, tag);
  }
}
