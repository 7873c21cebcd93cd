import type { Rgb } from '../classes.js';
import type { Rng } from '../rng.js';
import { lit } from './painter.js';
import { palette } from './palette.js';
import type { Lot, Side, Street } from './plan.js';

const facades = palette('c4b28e d0cabc 966852 aca8a0 d6c496 8e8276 ba967e a0aab0 dedad2 7e5646');
const fences = palette('5c6062 465846 86664a 96948e');
const walls = palette('9c968c 8c6858 b0aca4');

/** What a scene must show; the rest is chance. Scene i of a set shows `featured[i mod 6]`. */
export interface Features {
  train: boolean;
  bus: boolean;
  truck: boolean;
  motorcycle: boolean;
  wall: boolean;
  fence: boolean;
  park: boolean;
  crossing: boolean;
}

/** A rotation through the rarer things, so that six scenes in a row hold every class unless one is hidden. */
export function featuresOf(index: number, rng: Rng): Features {
  const turn = index % 6;
  const also = (t: number, p: number) => turn === t || rng.chance(p);
  return {
    train: also(0, 0.04),
    // Not both in one lane: the nearer would hide the other.
    bus: turn !== 2 && also(1, 0.12),
    truck: turn !== 1 && also(2, 0.12),
    motorcycle: also(3, 0.25),
    wall: also(4, 0.3),
    fence: also(5, 0.35),
    park: also(2, 0.35),
    crossing: also(1, 0.4) || turn === 4,
  };
}

/** Draws the street's shape. */
export function planStreet(features: Features, rng: Rng): Street {
  const lane = rng.range(3.2, 3.7);
  const twoWay = features.train || rng.chance(0.75);
  const wide = twoWay && !features.train && rng.chance(0.3);
  const parking = rng.chance(0.6) ? 2.1 : 0.4;
  const tram = features.train ? 3.4 : 0;
  // The camera sits in the rightmost lane that moves.
  const right = lane / 2 + parking;
  const middle = twoWay ? -lane / 2 - (wide ? lane : 0) - tram / 2 : undefined;
  const left = (twoWay ? lane * (wide ? 3.5 : 1.5) : lane * 0.7) + tram + (rng.chance(0.6) ? 2.1 : 0.3);
  const lanes = wide ? [-lane / 2, -lane * 2.5] : [];
  if (features.train && middle !== undefined) lanes.push(middle - tram / 2, middle + tram / 2);
  const paving: Rgb = rng.pick(palette('807a74 8a8682 84766e'));
  const tone = rng.range(0.8, 1.08);
  return {
    left: planSide(-1, left, features, rng),
    right: planSide(1, right, features, rng),
    middle: features.train ? undefined : middle,
    lanes,
    crossing: features.crossing ? rng.range(16, 30) : undefined,
    track: features.train ? middle : undefined,
    asphalt: [100 * tone, 101 * tone, 104 * tone],
    paving,
    grass: rng.pick(palette('5c6e3a 707444 54683e')),
    phase: rng.range(0, 200),
  };
}

function planSide(sign: -1 | 1, kerb: number, features: Features, rng: Rng): Side {
  const walk = kerb + rng.range(1.8, 4);
  const garden = rng.chance(0.35) ? rng.range(1.2, 3.5) : 0;
  const lots: Lot[] = [];
  let z = rng.range(-2, 1.5);
  const green = rng.range(0.1, 0.4);
  // Where in the row the featured lots come; near enough to be seen.
  const wallAt = features.wall ? 1 + rng.int(2) : -1;
  const fenceAt = features.fence ? 1 + rng.int(2) : -1;
  const parkAt = features.park ? 2 + rng.int(2) : -1;
  for (let i = 0; z < 150; i++) {
    const wanted = (sign > 0 ? i === wallAt : i === wallAt + 1) && features.wall ? 'wall' : undefined;
    const kind =
      wanted ??
      (i === fenceAt
        ? 'fence'
        : i === parkAt
          ? 'park'
          : rng.chance(1 - green)
            ? 'building'
            : rng.pick(['park', 'fence', 'wall'] as const));
    const length = rng.range(8, kind === 'building' ? 20 : 14);
    const tall =
      kind === 'building' ? rng.range(6.5, 19) : kind === 'wall' ? rng.range(1.5, 2.7) : rng.range(1.1, 2);
    const palette = kind === 'building' ? facades : kind === 'wall' ? walls : fences;
    lots.push({
      kind,
      z0: z,
      z1: z + length,
      height: tall,
      colour: lit(rng.pick(palette), rng.range(0.88, 1.06)),
      seed: rng.uint32(),
    });
    z += length;
  }
  return { sign, kerb, walk, front: walk + garden, lots };
}
