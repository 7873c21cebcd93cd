/**
 * Convolutions with 3 taps in one direction, any dilation d, as one-dimensional Winograd F(4, 3): outputs p, p + d,
 * p + 2d, p + 3d form a tile, which takes 6 multiplications per pair of channels instead of 12
 * (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; points 0, ±1, ±2, ∞):
 *
 *     y = Aᵀ[(G·w) ⊙ (Bᵀ·x)]
 *
 * The weight gradient is F(3, 4) at the same points: gw = Âᵀ·Σ_tiles[(Ĝ·gy) ⊙ (Bᵀ·x)].
 */
import { Input } from './convInput';
import { Output } from './convOutput';
import { coefficientBytes, multiplyPlanes, outerPlanes, planeBytes, tilesPerBlock } from './convTiles';
import { fillConstants, placeTiles, Tiles } from './convWinogradPlaces';
import { transformGradients, transformInputs, transformOutputs } from './convWinogradTransforms';

/** Forward, or with respect to the input: `y = conv(x̂)`, then the epilogue. */
export function convWinograd(args: usize, chunk: i32, local: usize): void {
  const input = changetype<Input>(args);
  const output = changetype<Output>(args + offsetof<Input>());
  const tiles = changetype<Tiles>(args + offsetof<Input>() + offsetof<Output>());
  const to = min((chunk + 1) * tiles.perChunk, tiles.total);
  const places = local + tiles.places;
  const v = local + tiles.inputs;
  const m = local + tiles.products;
  const inQuads = (input.channels + 3) >> 2;
  const outQuads = (output.channels + 3) >> 2;
  const table = args + tiles.table;
  fillConstants(tiles, local);
  for (let first = chunk * tiles.perChunk; first < to; first += tilesPerBlock) {
    const count = min(tilesPerBlock, to - first);
    placeTiles(tiles, first, count, places);
    transformInputs(args, input, tiles, places, count, input.x, local, v);
    for (let k: usize = 0; k < 6; k++) {
      const at = k * coefficientBytes;
      multiplyPlanes(table, inQuads, v + at, tiles.weights + k * tiles.weightBytes, outQuads, count, m + at);
    }
    transformOutputs(output, tiles, places, count, output.y, output.residual, local, m);
  }
}

/** One partial weight gradient per chunk, in the transformed domain: `[coefficient][input][output]`. */
export function convGradWeightWinograd(args: usize, chunk: i32, local: usize): void {
  const input = changetype<Input>(args);
  const gradient = changetype<Input>(args + offsetof<Input>());
  const tiles = changetype<Tiles>(args + 2 * offsetof<Input>());
  const to = min((chunk + 1) * tiles.perChunk, tiles.total);
  const places = local + tiles.places;
  const v = local + tiles.inputs;
  const g = local + tiles.products;
  const inQuads = (input.channels + 3) >> 2;
  const outQuads = (gradient.channels + 3) >> 2;
  const partial = tiles.weights + (chunk as usize) * tiles.weightBytes;
  memory.fill(partial, 0, tiles.weightBytes);
  fillConstants(tiles, local);
  for (let first = chunk * tiles.perChunk; first < to; first += tilesPerBlock) {
    const count = min(tilesPerBlock, to - first);
    placeTiles(tiles, first, count, places);
    transformInputs(args, input, tiles, places, count, input.x, local, v);
    transformGradients(gradient, tiles, places, count, gradient.x, local, g);
    let out = partial;
    for (let k: usize = 0; k < 6; k++) {
      let x = v + k * coefficientBytes;
      for (let q = 0; q < inQuads; q++) {
        outerPlanes(x, g + k * coefficientBytes, outQuads, count, out);
        x += planeBytes;
        out += (outQuads as usize) << 6;
      }
    }
  }
}
