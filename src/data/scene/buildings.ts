import type { Rgb } from '../classes.js';
import { Rng } from '../rng.js';
import { id } from './labels.js';
import { fractal, noise } from './noise.js';
import { lit, mix, type Painter, type Vec3 } from './painter.js';
import { palette } from './palette.js';
import type { Lot, Side } from './plan.js';

const glass: Rgb = [58, 68, 80];

/** A point on the facade of a side: `s` metres along the street, `y` up, `out` metres behind the front. */
function at(side: Side, s: number, y: number, out = 0): Vec3 {
  return [side.sign * (side.front + out), y, s];
}

/** How brightly the facades of a side are lit. */
function facing(painter: Painter, side: Side): number {
  const { sun, side: from } = painter.light;
  return from === side.sign ? 0.86 - 0.3 * sun : 0.92 + 0.16 * sun;
}

/** A house: the wall along the street, the wall that faces the camera, a roof, windows and a ground floor. */
export function paintBuilding(painter: Painter, side: Side, lot: Lot): void {
  const rng = Rng.of(lot.seed, 11);
  const tag = painter.stuff(id.building);
  const bright = facing(painter, side);
  const { height: h, z0, z1 } = lot;
  const depth = 11;
  const pitched = rng.chance(0.55);
  const roof = rng.pick(palette('684236 584c4a 464850 7a5240'));
  const brick = rng.chance(0.3) ? 0.5 : 0;
  const plain = texture(painter, z0, z1, lot.seed, brick);
  const front = painter.light.sun * 0.1 + 0.74;
  if (pitched) {
    const ridge = h + 2.6;
    painter.polygon(
      [at(side, z0, h, -0.3), at(side, z1, h, -0.3), at(side, z1, ridge, 5), at(side, z0, ridge, 5)],
      { colour: lit(roof, bright * 1.05), shade: plain },
      tag,
    );
    painter.polygon(
      [at(side, z0, h), at(side, z0, ridge, 5.5), at(side, z0, h, depth)],
      { colour: lit(lot.colour, front * 0.95), shade: plain },
      tag,
    );
  }
  painter.polygon(
    [at(side, z0, 0), at(side, z0, h), at(side, z0, h, depth), at(side, z0, 0, depth)],
    { colour: lit(lot.colour, front), shade: plain },
    tag,
  );
  painter.polygon(
    [at(side, z0, 0), at(side, z1, 0), at(side, z1, h), at(side, z0, h)],
    { colour: lit(lot.colour, bright), shade: plain },
    tag,
  );
  const trim = mix(lot.colour, [235, 230, 220], 0.55);
  strip(painter, side, z0, z1, h - 0.35, h, lit(trim, bright * 0.96));
  const shop = rng.chance(0.45);
  const base = rng.pick<Rgb>([[96, 90, 86], lit(lot.colour, 0.7), [120, 72, 58], [72, 76, 82]]);
  strip(painter, side, z0, z1, 0, shop ? 3.1 : 0.9, lit(base, bright));
  if (shop) paintShop(painter, side, lot, rng, bright);
  paintWindows(painter, side, lot, rng, bright, shop ? 3.6 : 1.2, trim);
  paintFrontWindows(painter, side, lot, front);
}

/** An upright rectangle along the street. */
function strip(
  painter: Painter,
  side: Side,
  s0: number,
  s1: number,
  y0: number,
  y1: number,
  colour: Rgb,
  stuff: number = id.building,
): void {
  painter.polygon(
    [at(side, s0, y0), at(side, s1, y0), at(side, s1, y1), at(side, s0, y1)],
    { colour },
    painter.stuff(stuff),
  );
}

/** Rows of windows: frame, pane with a reflection of the sky, sometimes blinds, a sill, few balconies. */
function paintWindows(
  painter: Painter,
  side: Side,
  lot: Lot,
  rng: Rng,
  bright: number,
  from: number,
  trim: Rgb,
): void {
  const floor = rng.range(2.8, 3.4);
  const pitch = rng.range(2.1, 3.2);
  const wide = pitch * rng.range(0.36, 0.55);
  const tall = floor * rng.range(0.45, 0.6);
  const columns = Math.max(1, Math.floor((lot.z1 - lot.z0 - 0.6) / pitch));
  const margin = (lot.z1 - lot.z0 - columns * pitch) / 2;
  const balcony = rng.chance(0.3) ? rng.int(columns) : -1;
  const tag = painter.stuff(id.building);
  for (let y = from; y + tall + 0.5 < lot.height; y += floor) {
    for (let c = columns - 1; c >= 0; c--) {
      const s = lot.z0 + margin + c * pitch + (pitch - wide) / 2;
      const tone = rng.range(0.6, 1.35);
      const blind = rng.chance(0.3) ? rng.range(0.2, 0.8) : 0;
      if (s < 0.8) continue;
      if (wide * painter.scale(s) < 0.5) continue;
      strip(painter, side, s - 0.1, s + wide + 0.1, y - 0.1, y + tall + 0.1, lit(trim, bright));
      const pane = lit(mix(glass, painter.light.haze, 0.18 * tone), 0.8 * tone);
      strip(painter, side, s, s + wide, y, y + tall, pane);
      if (blind > 0)
        strip(painter, side, s, s + wide, y + tall * (1 - blind), y + tall, lit([196, 190, 178], bright));
      strip(painter, side, s + wide / 2 - 0.03, s + wide / 2 + 0.03, y, y + tall, lit(trim, bright * 0.9));
      strip(painter, side, s - 0.15, s + wide + 0.15, y - 0.2, y - 0.08, lit(trim, bright * 0.75));
      if (c === balcony && y > 4) {
        const rail: Vec3[] = [at(side, s - 0.5, y - 0.3, -0.9), at(side, s + wide + 0.5, y - 0.3, -0.9)];
        painter.polygon(
          [...rail, at(side, s + wide + 0.5, y + 0.7, -0.9), at(side, s - 0.5, y + 0.7, -0.9)],
          { colour: lit(trim, bright * 0.9) },
          tag,
        );
        painter.polygon(
          [...rail, at(side, s + wide + 0.5, y - 0.3), at(side, s - 0.5, y - 0.3)],
          { colour: lit(trim, 0.45) },
          tag,
        );
        painter.polygon(
          [
            at(side, s - 0.5, y - 0.3, -0.9),
            at(side, s - 0.5, y - 0.3),
            at(side, s - 0.5, y + 0.7),
            at(side, s - 0.5, y + 0.7, -0.9),
          ],
          { colour: lit(trim, 0.7) },
          tag,
        );
      }
    }
  }
}

function paintShop(painter: Painter, side: Side, lot: Lot, rng: Rng, bright: number): void {
  const sign = rng.pick(palette('aa2c28 26548c 2c684a cea83c 3c3a42'));
  const length = lot.z1 - lot.z0;
  const bays = Math.max(1, Math.round(length / 4));
  const bay = length / bays;
  for (let i = bays - 1; i >= 0; i--) {
    const s = lot.z0 + i * bay + 0.35;
    const tone = rng.range(0.7, 1.3);
    const door = rng.chance(0.3);
    strip(
      painter,
      side,
      s,
      s + bay - 0.7,
      door ? 0.05 : 0.55,
      2.55,
      lit(mix(glass, [120, 112, 96], 0.25 * tone), tone),
    );
    if (door) strip(painter, side, s + bay * 0.3, s + bay * 0.6, 0.05, 2.3, lit([70, 56, 48], tone));
  }
  strip(painter, side, lot.z0 + 0.2, lot.z1 - 0.2, 2.65, 3.2, lit(sign, bright * 1.05));
  if (rng.chance(0.4)) {
    painter.polygon(
      [
        at(side, lot.z0 + 0.3, 2.75, -1.1),
        at(side, lot.z1 - 0.3, 2.75, -1.1),
        at(side, lot.z1 - 0.3, 3.15),
        at(side, lot.z0 + 0.3, 3.15),
      ],
      { colour: lit(sign, bright * 0.9) },
      painter.stuff(id.building),
    );
  }
}

/** A few windows on the wall that faces the camera. */
function paintFrontWindows(painter: Painter, side: Side, lot: Lot, bright: number): void {
  const rng = Rng.of(lot.seed, 12);
  for (let y = 4.2; y + 1.8 < lot.height; y += 3.1) {
    for (let out = 2; out < 9; out += 3) {
      if (rng.chance(0.45)) continue;
      const [x] = at(side, 0, 0, out);
      painter.plate(
        x - 0.6,
        x + 0.6,
        y - 0.1,
        y + 1.5,
        lot.z0,
        { colour: lit([214, 208, 198], bright) },
        painter.stuff(id.building),
      );
      painter.plate(x - 0.5, x + 0.5, y, y + 1.4, lot.z0, { colour: glass }, painter.stuff(id.building));
    }
  }
}

/** Stains, and brick courses where asked, at the scale of the facade's middle. */
function texture(painter: Painter, z0: number, z1: number, seed: number, brick: number) {
  const { focal, horizon } = painter.camera;
  const z = Math.max(3, z0 * 0.7 + z1 * 0.3);
  const k = z / focal;
  const shift = seed % 61;
  return (x: number, y: number): number => {
    const stain = 1 + 0.09 * fractal(x * k * 0.5 + shift, (y - horizon) * k * 0.4, 3);
    return brick > 0 ? stain * (1 + 0.12 * noise(x * k * 2.2 + shift, (y - horizon) * k * 7)) : stain;
  };
}

/** A garden or concrete wall along the street, with a coping. */
export function paintWall(painter: Painter, side: Side, lot: Lot): void {
  const rng = Rng.of(lot.seed, 13);
  const tag = painter.stuff(id.wall);
  const bright = facing(painter, side);
  const shade = texture(painter, lot.z0, lot.z1, lot.seed, rng.chance(0.5) ? 1 : 0);
  painter.polygon(
    [
      at(side, lot.z0, 0),
      at(side, lot.z0, lot.height),
      at(side, lot.z0, lot.height, 0.35),
      at(side, lot.z0, 0, 0.35),
    ],
    { colour: lit(lot.colour, 0.75), shade },
    tag,
  );
  painter.polygon(
    [at(side, lot.z0, 0), at(side, lot.z1, 0), at(side, lot.z1, lot.height), at(side, lot.z0, lot.height)],
    { colour: lit(lot.colour, bright), shade },
    tag,
  );
  painter.polygon(
    [
      at(side, lot.z0, lot.height - 0.15, -0.06),
      at(side, lot.z1, lot.height - 0.15, -0.06),
      at(side, lot.z1, lot.height, -0.06),
      at(side, lot.z0, lot.height, -0.06),
    ],
    { colour: lit(mix(lot.colour, [220, 216, 208], 0.4), bright) },
    tag,
  );
}

/** A fence along the street: what shows between the bars is labelled fence too, as annotators do. */
export function paintFence(painter: Painter, side: Side, lot: Lot): void {
  const rng = Rng.of(lot.seed, 14);
  const tag = painter.stuff(id.fence);
  const bright = facing(painter, side);
  const wood = rng.chance(0.4);
  const h = lot.height;
  painter.polygon(
    [at(side, lot.z0, 0), at(side, lot.z1, 0), at(side, lot.z1, h), at(side, lot.z0, h)],
    { colour: lit(lot.colour, bright * (wood ? 0.9 : 0.6)), opacity: wood ? 1 : 0.45 },
    tag,
  );
  const step = wood ? 0.22 : 0.28;
  for (let s = lot.z1 - 0.05; s > Math.max(lot.z0, 1.2); s -= step) {
    if (step * painter.scale(s) < 2.2) continue;
    const tone = rng.range(0.85, 1.15);
    strip(
      painter,
      side,
      s,
      s + (wood ? 0.17 : 0.05),
      0.05,
      h + (wood ? rng.range(-0.04, 0.04) : 0.05),
      lit(lot.colour, bright * tone),
      id.fence,
    );
  }
  for (const y of wood ? [h * 0.3, h * 0.8] : [0.2, h - 0.12]) {
    strip(painter, side, lot.z0, lot.z1, y, y + 0.08, lit(lot.colour, bright * (wood ? 0.7 : 1.1)), id.fence);
  }
  for (let s = lot.z1; s > Math.max(lot.z0, 1.2); s -= 2.4) {
    strip(painter, side, s - 0.08, s, 0, h + 0.12, lit(lot.colour, bright * 0.8), id.fence);
  }
}
