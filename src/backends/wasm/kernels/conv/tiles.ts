/** Tiles of one-dimensional Winograd convolutions, and where they lie. */
import { Ints } from '../tables';
import { tilesPerBlock } from './gemm';

@unmanaged
export class Tiles {
  /** 1: the taps lie below each other. */
  vertical: i32;
  dilation: i32;
  padding: i32;
  /** Outputs along the taps, and tiles that cover them. */
  length: i32;
  along: i32;
  /** Lines of tiles in one image. */
  across: i32;
  /** Transformed weights, or the partial sums of the weight gradient. */
  weights: usize;
  weightBytes: usize;
  /** Parts of `local`: zeros and ones for all channels, six pixels, places of tiles, transformed input, products. */
  ones: usize;
  pixels: usize;
  places: usize;
  inputs: usize;
  products: usize;
  /** Where the input planes lie. */
  table: Ints;
}

/** Where a tile is: its image, line, and first output along the taps. */
@unmanaged
export class Place {
  image: i32;
  line: i32;
  position: i32;
  unused: i32;
}

/**
 * Side-by-side taps: tiles in order of memory. Taps below each other: strips of 48 columns from top to bottom, so that
 * the rows that two tiles share are still in the cache.
 */
export function placeTiles(tiles: Tiles, first: i32, count: i32, places: usize): void {
  const along = tiles.along;
  const perImage = along * tiles.across;
  let image = first / perImage;
  const rest = first - image * perImage;
  const strip = tiles.vertical ? rest / (along * tilesPerBlock) : 0;
  let left = strip * tilesPerBlock;
  let right = min(left + tilesPerBlock, tiles.across);
  const inStrip = rest - left * along;
  let tile = tiles.vertical ? inStrip / (right - left) : rest % along;
  let line = tiles.vertical ? left + (inStrip % (right - left)) : rest / along;
  const d = tiles.dilation;
  let phase = tile % d;
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    place.image = image;
    place.line = line;
    place.position = 4 * tile - 3 * phase;
    places += offsetof<Place>();
    if (tiles.vertical) {
      if (++line < right) continue;
      line = left;
      if (++phase == d) phase = 0;
      if (++tile < along) continue;
      tile = 0;
      phase = 0;
      left = right < tiles.across ? right : 0;
      right = min(left + tilesPerBlock, tiles.across);
      line = left;
      if (left) continue;
    } else {
      if (++phase == d) phase = 0;
      if (++tile < along) continue;
      tile = 0;
      phase = 0;
      if (++line < tiles.across) continue;
      line = 0;
    }
    image++;
  }
}

/**
 * How many of the six coefficients the outputs of `count` tiles need: the last one is read by the fourth output alone, which
 * tiles at the end of a dilated line often lack.
 */
export function coefficientsOf(tiles: Tiles, places: usize, count: i32): usize {
  const fourth = 3 * tiles.dilation;
  const end = places + (count as usize) * offsetof<Place>();
  for (; places < end; places += offsetof<Place>()) {
    if (changetype<Place>(places).position + fourth < tiles.length) return 6;
  }
  return 5;
}

/** Zeros, then ones, at the start of the private memory. */
export function fillConstants(tiles: Tiles, local: usize): void {
  memory.fill(local, 0, tiles.ones);
  for (let at = tiles.ones; at < tiles.pixels; at += 4) store<f32>(local + at, 1);
}
