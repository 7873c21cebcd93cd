import type { Rgb } from '../classes.js';
import { Rng } from '../rng.js';
import { colours, faces3, footprint, glass, type Place, quad, sideLight, wheelOn } from './body.js';
import type { Paint, Tag } from './canvas.js';
import { id } from './labels.js';
import { lit, mix, type Painter, type Vec3 } from './painter.js';
import { frame } from './people.js';

type Profile = readonly (readonly [along: number, y: number, part: Part])[];
/** What the strip of body from one profile point to the next is. */
type Part = 'rear' | 'front' | 'glass' | 'roof' | 'bonnet' | 'floor';

const profiles: Record<'hatch' | 'sedan' | 'suv' | 'van', Profile> = {
  hatch: [
    [-2.0, 0.28, 'rear'],
    [-2.05, 0.62, 'rear'],
    [-1.92, 0.98, 'glass'],
    [-1.5, 1.42, 'roof'],
    [0.25, 1.46, 'glass'],
    [1.05, 0.98, 'bonnet'],
    [1.95, 0.76, 'front'],
    [2.05, 0.5, 'front'],
    [2.0, 0.28, 'floor'],
  ],
  sedan: [
    [-2.3, 0.28, 'rear'],
    [-2.35, 0.62, 'rear'],
    [-2.28, 0.98, 'bonnet'],
    [-1.6, 1.02, 'glass'],
    [-0.95, 1.4, 'roof'],
    [0.25, 1.43, 'glass'],
    [1.1, 0.98, 'bonnet'],
    [2.2, 0.76, 'front'],
    [2.3, 0.5, 'front'],
    [2.25, 0.28, 'floor'],
  ],
  suv: [
    [-2.2, 0.36, 'rear'],
    [-2.25, 0.75, 'rear'],
    [-2.15, 1.12, 'glass'],
    [-1.85, 1.66, 'roof'],
    [0.3, 1.7, 'glass'],
    [1.0, 1.15, 'bonnet'],
    [2.1, 0.98, 'front'],
    [2.2, 0.6, 'front'],
    [2.15, 0.36, 'floor'],
  ],
  van: [
    [-2.4, 0.34, 'rear'],
    [-2.42, 1.05, 'glass'],
    [-2.3, 1.85, 'roof'],
    [1.0, 1.92, 'glass'],
    [1.85, 1.15, 'bonnet'],
    [2.4, 0.95, 'front'],
    [2.45, 0.34, 'floor'],
  ],
};

/** A passenger car whose middle is at (x, z), heading along `angle`. */
export function paintCar(painter: Painter, x: number, z: number, angle: number, seed: number): void {
  const rng = Rng.of(seed, 51);
  const tag = painter.thing(id.car);
  const type = rng.pick(['hatch', 'hatch', 'sedan', 'suv', 'van'] as const);
  const profile = profiles[type];
  const at = frame(x, z, angle);
  const half = type === 'suv' || type === 'van' ? 0.93 : 0.88;
  const beltline = type === 'van' ? 1.1 : type === 'suv' ? 1.14 : 0.98;
  // The cabin leans inwards above the belt line.
  const widthAt = (y: number) => half * (y <= beltline ? 1 : 1 - 0.28 * (y - beltline));
  const colour = rng.pick(colours);
  footprint(painter, at, profile[0][0], -profile[0][0], half);
  const bodyPaint = (factor: number): Paint => ({ colour: lit(colour, factor) });
  const bright = sideLight(painter, at);
  const faces = profile.map(([a, y, part], i) => {
    const [a2, y2] = profile[(i + 1) % profile.length];
    const [w, w2] = [widthAt(y), widthAt(y2)];
    return { part, points: [at(a, y, w), at(a2, y2, w2), at(a2, y2, -w2), at(a, y, -w)] };
  });
  faces.sort((p, q) => depth(q.points) - depth(p.points));
  for (const { part, points } of faces) {
    if (part === 'floor' || !faces3(painter, points)) continue;
    const tone = { rear: 0.8, front: 0.86, glass: 1, roof: 1.16, bonnet: 1.1, floor: 0 }[part];
    if (part === 'glass') {
      painter.polygon(points, bodyPaint(0.92), tag);
      painter.polygon(inset(points, 0.1), { colour: mix(glass, painter.light.haze, 0.16) }, tag);
    } else painter.polygon(points, bodyPaint(tone), tag);
  }
  const end = profile[0][0];
  for (const side of [1, -1]) {
    const cap = profile.map(([a, y]) => at(a, y, side * widthAt(y)));
    if (!faces3(painter, side > 0 ? [...cap].reverse() : cap)) continue;
    painter.polygon(cap, bodyPaint(bright[side > 0 ? 0 : 1]), tag);
    carSide(painter, at, profile, side, beltline, widthAt, tag, colour, bright[side > 0 ? 0 : 1]);
    for (const a of [end * 0.64, -end * 0.66]) wheelOn(painter, at, a, side * (half + 0.01), 0.33, tag);
  }
  ends(painter, at, profile, half, tag);
}

/** Side windows with a pillar, a dark sill and a crease of light. */
function carSide(
  painter: Painter,
  at: Place,
  profile: Profile,
  side: number,
  belt: number,
  widthAt: (y: number) => number,
  tag: Tag,
  colour: Rgb,
  bright: number,
): void {
  const roof = profile.findIndex(([, , part]) => part === 'roof');
  const [r0, top] = profile[roof];
  const [r1] = profile[roof + 1];
  const [base] = profile[roof + 2];
  const y0 = belt + 0.04;
  const y1 = top - 0.09;
  const place = (a: number, y: number) => at(a, y, side * (widthAt(y) + 0.012));
  const rear = profile[roof - 1][0];
  const rearLow = rear + (r0 - rear) * 0.25 + 0.22;
  const front = base - 0.28;
  const paint: Paint = { colour: mix(glass, painter.light.haze, 0.1) };
  const middle = (r0 + r1) / 2 + 0.15;
  painter.polygon(
    [place(rearLow, y0), place(r0 + 0.2, y1), place(middle - 0.06, y1), place(middle - 0.06, y0)],
    paint,
    tag,
  );
  painter.polygon(
    [place(middle + 0.06, y0), place(middle + 0.06, y1), place(r1 - 0.08, y1), place(front, y0)],
    paint,
    tag,
  );
  const [e] = profile[0];
  painter.polygon(
    [place(e + 0.1, 0.28), place(e + 0.1, 0.4), place(-e - 0.1, 0.4), place(-e - 0.1, 0.28)],
    { colour: [34, 34, 36] },
    tag,
  );
  const crease = belt - 0.14;
  painter.polygon(
    [
      place(e + 0.15, crease),
      place(e + 0.15, crease + 0.035),
      place(-e - 0.5, crease + 0.02),
      place(-e - 0.5, crease - 0.015),
    ],
    { colour: lit(colour, bright * 1.22) },
    tag,
  );
  painter.polygon(
    [
      place(middle - 0.012, 0.42),
      place(middle - 0.012, y0),
      place(middle + 0.012, y0),
      place(middle + 0.012, 0.42),
    ],
    { colour: lit(colour, bright * 0.7) },
    tag,
  );
}

/** Lamps, bumper and number plate of the end that is seen. */
function ends(painter: Painter, at: Place, profile: Profile, half: number, tag: Tag): void {
  const front = Math.max(...profile.map(([a]) => a));
  const rear = Math.min(...profile.map(([a]) => a));
  const [b] = [profile.find(([, , part]) => part === 'glass')?.[1] ?? 1];
  const patch = (a: number, c0: number, c1: number, y0: number, y1: number, colour: Rgb) =>
    quad(painter, at, a, c0, c1, y0, y1, colour, tag);
  const r = rear - 0.01;
  const f = front + 0.01;
  patch(r, half, -half, 0.3, 0.46, [40, 40, 42]);
  patch(f, half, -half, 0.3, 0.46, [40, 40, 42]);
  for (const side of [1, -1]) {
    patch(r, side * half * 0.98, side * half * 0.68, b - 0.34, b - 0.06, [176, 30, 30]);
    patch(r, side * half * 0.9, side * half * 0.74, b - 0.16, b - 0.08, [236, 120, 100]);
    patch(f, side * half * 0.96, side * half * 0.6, 0.6, 0.76, [222, 226, 228]);
  }
  patch(r, 0.27, -0.27, 0.52, 0.63, [226, 226, 218]);
  patch(f, 0.27, -0.27, 0.42, 0.53, [226, 226, 218]);
  patch(f, half * 0.5, -half * 0.5, 0.56, 0.7, [30, 30, 32]);
}

function depth(points: readonly Vec3[]): number {
  return points.reduce((sum, p) => sum + p[2], 0) / points.length;
}

/** The polygon shrunk towards its middle. */
function inset(points: readonly Vec3[], t: number): Vec3[] {
  const middle = [0, 1, 2].map((k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);
  return points.map(
    (p): Vec3 => [
      p[0] + (middle[0] - p[0]) * t,
      p[1] + (middle[1] - p[1]) * t,
      p[2] + (middle[2] - p[2]) * t,
    ],
  );
}
