import type { Rng } from '../rng.js';
import { paintBuilding, paintFence, paintWall } from './buildings.js';
import { paintCar } from './cars.js';
import { paintBollard, paintBox, paintLamp, paintSign, paintTrafficLight } from './furniture.js';
import { paintBus, paintTrain, paintTruck } from './heavy.js';
import { id } from './labels.js';
import type { Features } from './layout.js';
import { lit, mix, type Painter } from './painter.js';
import { palette } from './palette.js';
import { paintPerson, paintTwoWheeler } from './people.js';
import type { Side, Street } from './plan.js';
import { paintBush, paintTree } from './vegetation.js';

/** Something to draw; larger z is drawn first. */
export interface Item {
  z: number;
  draw: (painter: Painter) => void;
}

/** Everything that stands on the ground. */
export function populate(street: Street, features: Features, rng: Rng): Item[] {
  const items: Item[] = [];
  const add = (z: number, draw: Item['draw']) => items.push({ z, draw });
  for (const side of [street.left, street.right]) {
    addLots(side, rng, add);
    addFurniture(side, street, features, rng, add);
    addWalkers(side, rng, add);
  }
  addTraffic(street, features, rng, add);
  return items;
}

type Add = (z: number, draw: Item['draw']) => void;

function addLots(side: Side, rng: Rng, add: Add): void {
  for (const lot of side.lots) {
    if (lot.z1 < 1) continue;
    if (lot.kind === 'building') {
      add(lot.z1, (p) => paintBuilding(p, side, lot));
      continue;
    }
    if (lot.kind === 'wall') add(lot.z1, (p) => paintWall(p, side, lot));
    if (lot.kind === 'fence') add(lot.z1, (p) => paintFence(p, side, lot));
    // Greenery behind the wall, the fence or the edge of the park.
    for (let i = 0; i < 5; i++) {
      const z = rng.range(Math.max(4, lot.z0 + 0.5), lot.z1 - 0.5);
      const x = side.sign * (side.front + rng.range(2.2, 9));
      const seed = rng.uint32();
      const height = rng.range(4.5, 11);
      const bush = rng.chance(lot.kind === 'park' ? 0.3 : 0.45);
      if (z > lot.z1) continue;
      add(lot.z1 + 0.01 + z * 1e-4, (p) =>
        bush
          ? paintBush(p, x * 0.97, z, height * 0.4, height * 0.28, seed)
          : paintTree(p, x, z, height, seed),
      );
    }
  }
}

function addFurniture(side: Side, street: Street, features: Features, rng: Rng, add: Add): void {
  const edge = side.sign * (side.kerb + 0.45);
  const lamps = rng.range(18, 28);
  const tall = rng.range(5.5, 8);
  for (let z = rng.range(10, 22); z < 120; z += lamps) add(z, (p) => paintLamp(p, edge, z, side.sign, tall));
  const trees = rng.chance(0.45) ? rng.range(8, 14) : 0;
  const height = rng.range(4.5, 8.5);
  for (let z = rng.range(9, 18); trees > 0 && z < 110; z += trees) {
    const seed = rng.uint32();
    const x = side.sign * (side.kerb + 0.9);
    add(z, (p) => paintTree(p, x, z, height, seed));
  }
  for (let i = rng.int(3) + (side.sign > 0 ? 1 : 0); i > 0; i--) {
    const z = rng.range(11, 40);
    const seed = rng.uint32();
    const x = edge + side.sign * rng.range(0, 0.3);
    add(z, (p) => paintSign(p, x, z, seed));
  }
  if (rng.chance(0.35)) {
    const from = rng.range(8, 16);
    for (let i = 0; i < 5; i++)
      add(from + 1.8 * i, (p) => paintBollard(p, side.sign * (side.kerb + 0.3), from + 1.8 * i));
  }
  if (rng.chance(0.5)) {
    const z = rng.range(6, 25);
    const seed = rng.uint32();
    add(z, (p) => paintBox(p, side.sign * (side.walk - 0.4), z, seed));
  }
  if (features.crossing && street.crossing !== undefined) {
    const z = street.crossing - 0.6;
    const state = rng.int(3);
    const high = side.sign > 0 && rng.chance(0.6);
    add(z, (p) => paintTrafficLight(p, edge, z, side.sign, state, high));
  }
}

function addWalkers(side: Side, rng: Rng, add: Add): void {
  for (let i = 2 + rng.int(6); i > 0; i--) {
    const z = rng.range(8, 48);
    const x = side.sign * rng.range(side.kerb + 0.7, Math.max(side.kerb + 0.8, side.walk - 0.4));
    const angle = (rng.chance(0.5) ? 1 : -1) * Math.PI * rng.range(0.38, 0.62) + (rng.chance(0.25) ? 1.4 : 0);
    const seed = rng.uint32();
    add(z, (p) => paintPerson(p, x, z, angle, seed));
    if (rng.chance(0.3)) {
      const seed2 = rng.uint32();
      add(z + 0.2, (p) => paintPerson(p, x + 0.62, z + 0.2, angle, seed2));
    }
  }
  if (rng.chance(0.6)) {
    // Parked bicycles lean near the front.
    const z = rng.range(8, 20);
    const x = side.sign * (side.walk - 0.6);
    for (let i = 1 + rng.int(3); i > 0; i--) {
      const seed = rng.uint32();
      const angle = rng.range(0.1, 0.7) * (rng.chance(0.5) ? 1 : -1);
      const zi = z + 0.8 * i;
      add(zi, (p) => paintTwoWheeler(p, 'bicycle', x, zi, angle, seed, false));
    }
  }
}

function addTraffic(street: Street, features: Features, rng: Rng, add: Add): void {
  const away = Math.PI / 2;
  const wobble = () => rng.range(-0.03, 0.03);
  const taken: { x: number; z: number; half: number }[] = [];
  /** Puts a vehicle only where its lane is free, so bodies never cut each other. */
  const place = (x: number, z: number, half: number, draw: Item['draw']): boolean => {
    if (taken.some((t) => Math.abs(t.x - x) < 2.2 && Math.abs(t.z - z) < t.half + half + 1)) return false;
    taken.push({ x, z, half });
    add(z, draw);
    return true;
  };
  const train = street.track;
  if (train !== undefined) {
    const z = rng.range(12, 30);
    const seed = rng.uint32();
    add(z, (p) => paintTrain(p, train, z, seed));
    taken.push({ x: train, z: z + 14, half: 16 });
  }
  // Riders come before cars: they are rarer, and a taken place is not drawn.
  addRiders(street, features, rng, place);
  // Oncoming traffic drives left of the middle, or left of the tram track.
  const line = street.track !== undefined ? street.track - 1.7 : street.middle;
  const oncoming = line === undefined ? undefined : line - 1.7;
  /** The first free place from `near` on. */
  const heavy = (x: number, angle: number, near: number) => {
    const put = (half: number, paint: typeof paintBus) => {
      const seed = rng.uint32();
      const from = rng.range(near, near + 10);
      for (let z = from; z < from + 60; z += 3)
        if (place(x, z, half, (p) => paint(p, x, z, angle, seed))) return;
    };
    if (features.bus) put(5.6, paintBus);
    if (features.truck) put(4.5, paintTruck);
  };
  if (features.bus || features.truck) {
    if (oncoming !== undefined && rng.chance(0.6)) heavy(oncoming, -away, 20);
    else heavy(rng.range(-0.2, 0.3), away, 24);
  }
  for (let z = rng.range(15, 34); z < 110; z += rng.range(9, 30)) {
    const seed = rng.uint32();
    const x = rng.range(-0.3, 0.3);
    const angle = away + wobble();
    const at = z;
    place(x, at, 2.3, (p) => paintCar(p, x, at, angle, seed));
  }
  for (let z = rng.range(11, 30); oncoming !== undefined && z < 100; z += rng.range(10, 32)) {
    const seed = rng.uint32();
    const x = oncoming + rng.range(-0.3, 0.3);
    const angle = -away + wobble();
    const at = z;
    place(x, at, 2.3, (p) => paintCar(p, x, at, angle, seed));
  }
  for (const side of [street.left, street.right]) {
    const lane = side.sign > 0 ? 1.75 : -(line ?? -2) + 3.4;
    if (side.kerb - lane < 1.7) continue;
    const x = side.sign * (side.kerb - 1.05);
    for (let z = rng.range(8, 17); z < 90; z += rng.chance(0.6) ? rng.range(5.4, 6.5) : rng.range(9, 18)) {
      const seed = rng.uint32();
      const angle = side.sign * away + wobble();
      const at = z;
      if (rng.chance(0.92)) place(x, at, 2.3, (p) => paintCar(p, x, at, angle, seed));
    }
  }
}

function addRiders(
  street: Street,
  features: Features,
  rng: Rng,
  place: (x: number, z: number, half: number, draw: Item['draw']) => boolean,
): void {
  const ride = (kind: 'bicycle' | 'motorcycle', x: number, z: number, angle: number, ridden: boolean) => {
    const seed = rng.uint32();
    place(x, z, 0.9, (p) => paintTwoWheeler(p, kind, x, z, angle, seed, ridden));
  };
  const middle = street.track !== undefined ? -1.6 : (street.middle ?? -1.8);
  const slow = street.right.kerb - 0.8;
  if (rng.chance(0.7))
    ride('bicycle', Math.min(1.9, slow), rng.range(9, 17), Math.PI / 2 - rng.range(0.2, 0.6), true);
  if (rng.chance(0.4))
    ride('bicycle', middle - 1.2, rng.range(12, 24), -Math.PI / 2 + rng.range(0.1, 0.6), true);
  if (features.motorcycle) {
    ride('motorcycle', rng.range(-0.9, 0.2), rng.range(10, 13.5), Math.PI / 2 + rng.range(0.25, 0.6), true);
    ride('motorcycle', street.right.kerb + 0.9, rng.range(7, 14), rng.range(0.5, 1), false);
  }
  const { crossing } = street;
  if (crossing !== undefined) {
    for (let i = 1 + rng.int(4); i > 0; i--) {
      const x = rng.range(-street.left.kerb, street.right.kerb);
      const z = crossing + rng.range(0.5, 2.5);
      const seed = rng.uint32();
      const angle = rng.chance(0.5) ? 0.1 : Math.PI - 0.1;
      if (rng.chance(0.2)) ride('bicycle', x, z, angle, true);
      else place(x, z, 0.2, (p) => paintPerson(p, x, z, angle, seed));
    }
  }
}

/** The end of the street: far houses and trees across the whole view. */
export function paintBackdrop(painter: Painter, rng: Rng): void {
  const z = 165;
  const building = painter.stuff(id.building);
  const tree = painter.stuff(id.vegetation);
  for (let x = -110; x < 110; ) {
    const wide = rng.range(8, 20);
    const tall = rng.range(7, 17);
    const colour = rng.pick(palette('968a7a aaa498 806c62'));
    const green = rng.chance(0.4);
    if (green) {
      for (let i = 0; i < 7; i++) {
        const cx = x + rng.next() * wide;
        painter.disc(
          [cx, tall * rng.range(0.2, 0.55), z],
          tall * 0.35,
          { colour: lit([74, 94, 50], rng.range(0.8, 1.15)) },
          tree,
        );
      }
      painter.plate(x - 2, x + wide + 2, 0, tall * 0.3, z, { colour: [66, 84, 46] }, tree);
    } else {
      painter.plate(x, x + wide, 0, tall, z, { colour }, building);
      painter.polygon(
        [
          [x - 0.5, tall, z],
          [x + wide * 0.5, tall + 3.5, z],
          [x + wide + 0.5, tall, z],
        ],
        { colour: mix(colour, [110, 64, 52], 0.7) },
        building,
      );
      for (let y = 1.5; y < tall - 2; y += 3) {
        for (let c = x + 1; c < x + wide - 1.5; c += 2.6)
          painter.plate(c, c + 1.2, y, y + 1.5, z, { colour: [70, 76, 84] }, building);
      }
    }
    x += wide * (green ? 0.8 : 1);
  }
}
