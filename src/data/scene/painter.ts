import type { Rgb } from '../classes.js';
import type { Canvas, Paint, Tag } from './canvas.js';

/** Metres: x to the right, y up from the road, z away from the camera. */
export type Vec3 = readonly [x: number, y: number, z: number];

/** A pinhole camera over a gently bent road. */
export interface Camera {
  /** Pixels per unit of x / z. */
  focal: number;
  centreX: number;
  /** Row of the horizon. */
  horizon: number;
  /** Metres above the road. */
  height: number;
  /** The road's sideways shift at distance z is bend · z². */
  bend: number;
}

/** The light of a scene. */
export interface Light {
  /** Direct sunlight, 0 (overcast) to 1. */
  sun: number;
  /** Where the sun stands: −1 left, +1 right. */
  side: -1 | 1;
  /** Shadow length per metre of height, across the road. */
  slant: number;
  /** Colour of the far haze. */
  haze: Rgb;
  /** Distance in metres at which 63 % is haze. */
  visibility: number;
}

/** Nearest distance that is drawn, in metres. */
const near = 0.7;

export const keep: Tag = { label: -1, instance: 0 };

/** Draws shapes given in metres. */
export class Painter {
  private readonly counters = new Map<number, number>();

  constructor(
    readonly canvas: Canvas,
    readonly camera: Camera,
    readonly light: Light,
  ) {}

  /** The tag of stuff: label only. */
  stuff(label: number): Tag {
    return { label, instance: label };
  }

  /** The tag of the next object of a class. */
  thing(label: number): Tag {
    const number = this.counters.get(label) ?? 0;
    this.counters.set(label, number + 1);
    return { label, instance: label * 1000 + number };
  }

  x(p: Vec3): number {
    const { focal, centreX, bend } = this.camera;
    return centreX + (focal * (p[0] + bend * p[2] * p[2])) / p[2];
  }

  y(p: Vec3): number {
    const { focal, horizon, height } = this.camera;
    return horizon + (focal * (height - p[1])) / p[2];
  }

  /** Pixels of one metre at distance z. */
  scale(z: number): number {
    return this.camera.focal / Math.max(z, near);
  }

  /** The colour after haze. */
  hazed(colour: Rgb, z: number): Rgb {
    const { haze, visibility } = this.light;
    const a = 1 - Math.exp(-Math.max(0, z) / visibility);
    return [
      colour[0] + (haze[0] - colour[0]) * a,
      colour[1] + (haze[1] - colour[1]) * a,
      colour[2] + (haze[2] - colour[2]) * a,
    ];
  }

  /** Fills a polygon in space, clipped to what lies before the camera. */
  polygon(points: readonly Vec3[], paint: Paint, tag: Tag): void {
    const clipped = clipNear(points);
    if (clipped.length < 3) return;
    const flat = new Float64Array(clipped.length * 2);
    let z = 0;
    clipped.forEach((p, i) => {
      flat[2 * i] = this.x(p);
      flat[2 * i + 1] = this.y(p);
      z += p[2] / clipped.length;
    });
    this.canvas.fill(flat, { ...paint, colour: this.hazed(paint.colour, z) }, tag);
  }

  /** A limb: the outline of two balls of radii r and s at p and q and what lies between them. */
  capsule(p: Vec3, q: Vec3, r: number, s: number, paint: Paint, tag: Tag): void {
    if (p[2] < near || q[2] < near) return;
    const ax = this.x(p);
    const ay = this.y(p);
    const bx = this.x(q);
    const by = this.y(q);
    const ra = r * this.scale(p[2]);
    const rb = s * this.scale(q[2]);
    const angle = Math.atan2(by - ay, bx - ax);
    const caps = Math.max(ra, rb) < 3 ? 3 : 8;
    const flat: number[] = [];
    for (let i = 0; i <= caps; i++) {
      const t = angle + Math.PI / 2 + (Math.PI * i) / caps;
      flat.push(ax + ra * Math.cos(t), ay + ra * Math.sin(t));
    }
    for (let i = 0; i <= caps; i++) {
      const t = angle - Math.PI / 2 + (Math.PI * i) / caps;
      flat.push(bx + rb * Math.cos(t), by + rb * Math.sin(t));
    }
    this.canvas.fill(flat, { ...paint, colour: this.hazed(paint.colour, (p[2] + q[2]) / 2) }, tag);
  }

  /** A disc that faces the camera; `squash` scales its width. */
  disc(p: Vec3, r: number, paint: Paint, tag: Tag, squash = 1): void {
    if (p[2] < near) return;
    const radius = r * this.scale(p[2]);
    const steps = radius < 3 ? 8 : radius < 40 ? 20 : 40;
    const flat: number[] = [];
    for (let i = 0; i < steps; i++) {
      const t = (2 * Math.PI * i) / steps;
      flat.push(this.x(p) + radius * squash * Math.cos(t), this.y(p) + radius * Math.sin(t));
    }
    this.canvas.fill(flat, { ...paint, colour: this.hazed(paint.colour, p[2]) }, tag);
  }

  /** An upright rectangle that faces the camera. */
  plate(x0: number, x1: number, y0: number, y1: number, z: number, paint: Paint, tag: Tag): void {
    this.polygon(
      [
        [x0, y0, z],
        [x1, y0, z],
        [x1, y1, z],
        [x0, y1, z],
      ],
      paint,
      tag,
    );
  }

  /** A soft dark ellipse on the road, in small steps. */
  shadow(x: number, z: number, halfX: number, halfZ: number, strength: number): void {
    for (let grow = 1.35; grow > 0.3; grow -= 0.13) {
      const points: Vec3[] = [];
      for (let i = 0; i < 24; i++) {
        const t = (2 * Math.PI * i) / 24;
        points.push([x + halfX * grow * Math.cos(t), 0, z + halfZ * grow * Math.sin(t)]);
      }
      this.polygon(points, { colour: [18, 18, 22], opacity: strength / 7 }, keep);
    }
  }
}

/** Scales a colour. */
export function lit(colour: Rgb, factor: number): Rgb {
  return [colour[0] * factor, colour[1] * factor, colour[2] * factor];
}

/** `a` at t = 0, `b` at t = 1. */
export function mix(a: Rgb, b: Rgb, t: number): Rgb {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

/** Sutherland–Hodgman against the plane z = near. */
function clipNear(points: readonly Vec3[]): Vec3[] {
  const out: Vec3[] = [];
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const a = points[j];
    const b = points[i];
    const aIn = a[2] >= near;
    const bIn = b[2] >= near;
    if (aIn !== bIn) {
      const t = (near - a[2]) / (b[2] - a[2]);
      out.push([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, near]);
    }
    if (bIn) out.push(b);
  }
  return out;
}
