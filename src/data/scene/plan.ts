import type { Rgb } from '../classes.js';

/** A stretch of one side of the street. */
export interface Lot {
  kind: 'building' | 'park' | 'fence' | 'wall';
  /** Distances in metres. */
  z0: number;
  z1: number;
  /** Metres: of the building, wall or fence. */
  height: number;
  colour: Rgb;
  /** Numbers of this lot's own random stream. */
  seed: number;
}

/** One side of the street. Distances from the camera, positive outwards. */
export interface Side {
  sign: -1 | 1;
  /** Edge of the road. */
  kerb: number;
  /** Outer edge of the sidewalk. */
  walk: number;
  /** Where facades, walls and fences stand; grass lies between `walk` and `front`. */
  front: number;
  lots: Lot[];
}

/** The street's shape: what the ground, the buildings and the traffic share. */
export interface Street {
  left: Side;
  right: Side;
  /** x of the line between the two directions; undefined on one-way streets. */
  middle: number | undefined;
  /** x of dashed lines between lanes. */
  lanes: number[];
  /** Distance of a zebra crossing, if any. */
  crossing: number | undefined;
  /** x of the middle of a tram track in the road, if any. */
  track: number | undefined;
  asphalt: Rgb;
  paving: Rgb;
  grass: Rgb;
  /** Shifts textures. */
  phase: number;
}
