import type { Rgb } from '../classes.js';
import type { Rng } from '../rng.js';

/** When the scenes are seen: by day, when the sky is far brighter than the street, or either, scene by scene. */
export const sceneLights = ['day', 'dusk', 'any'] as const;
export type SceneLight = (typeof sceneLights)[number];

/** A weather: the sky's colours, how much sun, and what the camera makes of the light. */
export interface Weather {
  zenith: Rgb;
  low: Rgb;
  cloud: Rgb;
  cover: [number, number];
  /** See {@link Sky}. */
  relief: number;
  sun: number;
  tint: Rgb;
  exposure: [number, number];
  /** See {@link Finish}. */
  gamma: number;
}

/** Sun, sun with clouds, an overcast sky, a low sun. */
const day: readonly Weather[] = [
  {
    zenith: [74, 124, 190],
    low: [190, 214, 232],
    cloud: [246, 247, 248],
    cover: [0.2, 0.45],
    relief: 0.1,
    sun: 1,
    tint: [1.04, 1.01, 0.95],
    exposure: [1.18, 1.34],
    gamma: 1,
  },
  {
    zenith: [104, 146, 196],
    low: [206, 220, 230],
    cloud: [240, 240, 240],
    cover: [0.45, 0.7],
    relief: 0.1,
    sun: 0.7,
    tint: [1.01, 1.01, 0.98],
    exposure: [1.12, 1.3],
    gamma: 1,
  },
  {
    zenith: [168, 178, 188],
    low: [214, 218, 220],
    cloud: [228, 229, 231],
    cover: [0.8, 1],
    relief: 0.1,
    sun: 0.05,
    tint: [0.97, 1, 1.02],
    exposure: [1.02, 1.22],
    gamma: 1,
  },
  {
    zenith: [92, 110, 160],
    low: [240, 212, 178],
    cloud: [248, 226, 204],
    cover: [0.35, 0.6],
    relief: 0.1,
    sun: 0.8,
    tint: [1.06, 0.99, 0.89],
    exposure: [0.98, 1.16],
    gamma: 1,
  },
];

/** After sunset: heavy clouds over a dark street, bluish clouds, a clear sky, a red band along the horizon. */
const dusk: readonly Weather[] = [
  {
    zenith: [204, 216, 222],
    low: [236, 244, 240],
    cloud: [236, 246, 248],
    cover: [0.6, 1],
    relief: 0.36,
    sun: 0,
    tint: [0.93, 1.02, 1.06],
    exposure: [0.94, 1.12],
    gamma: 2.3,
  },
  {
    zenith: [190, 204, 220],
    low: [232, 240, 244],
    cloud: [232, 240, 248],
    cover: [0.4, 0.85],
    relief: 0.44,
    sun: 0,
    tint: [0.95, 1, 1.06],
    exposure: [0.9, 1.12],
    gamma: 1.9,
  },
  {
    zenith: [140, 162, 206],
    low: [238, 236, 226],
    cloud: [212, 212, 220],
    cover: [0.1, 0.5],
    relief: 0.36,
    sun: 0,
    tint: [0.96, 0.99, 1.06],
    exposure: [0.9, 1.08],
    gamma: 2,
  },
  {
    zenith: [148, 156, 186],
    low: [250, 218, 184],
    cloud: [224, 202, 196],
    cover: [0.35, 0.7],
    relief: 0.4,
    sun: 0.05,
    tint: [1.05, 0.98, 0.95],
    exposure: [0.9, 1.08],
    gamma: 2.1,
  },
];

/** The weathers that a scene may have; `any` draws which. */
export function weathersOf(light: SceneLight, rng: Rng): readonly Weather[] {
  if (light === 'any') return rng.chance(0.5) ? dusk : day;
  return light === 'dusk' ? dusk : day;
}
