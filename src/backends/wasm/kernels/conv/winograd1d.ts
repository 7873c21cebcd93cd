/**
 * Convolutions with 3 taps in one direction, any dilation d, as one-dimensional Winograd F(4, 3): outputs p, p + d,
 * p + 2d, p + 3d form a tile, which takes 6 multiplications per pair of channels instead of 12
 * (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; points 0, ±1, ±2, ∞):
 *
 *     y = Aᵀ[(G·w) ⊙ (Bᵀ·x)]
 *
 * The weight gradient is F(3, 4) at the same points: gw = Âᵀ·Σ_tiles[(Ĝ·gy) ⊙ (Bᵀ·x)].
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { No, Yes } from '../lanes';
import { Span } from '../span';
import { coefficientBytes, multiplyPlanes, tilesPerBlock } from './gemm';
import { i16CoefficientBytes, multiplyI16Planes } from './i16';
import { Input } from './input';
import { outerPlanes } from './outer';
import { Output } from './output';
import { coefficientsOf, fillConstants, placeTiles, Tiles } from './tiles';
import { transformGradients } from './winograd1dGradients';
import { transformI16Inputs, transformI16Outputs } from './winograd1dI16';
import { transformInputs } from './winograd1dInputs';
import { transformOutputs } from './winograd1dOutputs';

@unmanaged
class Winograd1dArgs {
  input: Input;
  output: Output;
  tiles: Tiles;
  /** All tiles. */
  span: Span;
}

// @ts-ignore: decorator
@inline
function convolve(a: Winograd1dArgs, chunk: i32, local: usize, integers: bool): void {
  const input = a.input;
  const output = a.output;
  const tiles = a.tiles;
  const to = a.span.last(chunk);
  const places = local + tiles.places;
  const v = local + tiles.inputs;
  const m = local + tiles.products;
  fillConstants(tiles, local);
  for (let first = a.span.first(chunk); first < to; first += tilesPerBlock) {
    const count = min(tilesPerBlock, to - first);
    placeTiles(tiles, first, count, places);
    convolveTiles(input, output, tiles, places, count, input.x, output.y, output.residual, local, v, m, integers);
  }
}

/** One block of tiles from input to output, multiplied as float32 or, with `integers`, as 16-bit integers. */
// @ts-ignore: decorator
@inline
export function convolveTiles(
  input: Input,
  output: Output,
  tiles: Tiles,
  places: usize,
  count: i32,
  x: usize,
  y: usize,
  residual: usize,
  local: usize,
  v: usize,
  m: usize,
  integers: bool,
): void {
  const table = tiles.table;
  if (integers) {
    const outQuads = (output.channels + 3) >> 2;
    const unit = transformI16Inputs(input, tiles, places, count, x, local, v);
    const octs = (input.channels + 7) >> 3;
    for (let k: usize = 0; k < 6; k++) {
      const at = k * i16CoefficientBytes;
      multiplyI16Planes(table, octs, v + at, tiles.weights + k * tiles.weightBytes, outQuads, count, m + at);
    }
    transformI16Outputs(output, tiles, input.channels, unit, places, count, y, residual, local, m);
  } else {
    transformInputs(input, tiles, places, count, x, local, v);
    const inQuads = (input.channels + 3) >> 2;
    const outOcts = (output.channels + 7) >> 3;
    const coefficients = coefficientsOf(tiles, places, count);
    for (let k: usize = 0; k < coefficients; k++) {
      const at = k * coefficientBytes;
      multiplyPlanes(table, inQuads, v + at, tiles.weights + k * tiles.weightBytes, outOcts, outOcts, count, m + at);
    }
    transformOutputs(output, tiles, places, count, y, residual, local, m);
  }
}

/** Forward, or with respect to the input: `y = conv(x̂)`, then the epilogue. */
export function convWinograd1d(a: Winograd1dArgs, chunk: i32, local: usize): void {
  convolve(a, chunk, local, false);
}

/** The same with products of 16-bit integers; no prologue. */
export function convWinograd1dI16(a: Winograd1dArgs, chunk: i32, local: usize): void {
  convolve(a, chunk, local, true);
}

@unmanaged
class GradWeightWinograd1dArgs {
  input: Input;
  gradient: Input;
  tiles: Tiles;
  /** All tiles. */
  span: Span;
}

/** One partial weight gradient per chunk, in the transformed domain: `[coefficient][input][output]`. */
export function convGradWeightWinograd1d(a: GradWeightWinograd1dArgs, chunk: i32, local: usize): void {
  const input = a.input;
  const gradient = a.gradient;
  const tiles = a.tiles;
  const to = a.span.last(chunk);
  const places = local + tiles.places;
  const v = local + tiles.inputs;
  const g = local + tiles.products;
  const inQuads = (input.channels + 3) >> 2;
  const outOcts = (gradient.channels + 7) >> 3;
  const table = tiles.table;
  const partial = tiles.weights + (chunk as usize) * tiles.weightBytes;
  fillConstants(tiles, local);
  const from = a.span.first(chunk);
  for (let first = from; first < to; first += tilesPerBlock) {
    const count = min(tilesPerBlock, to - first);
    placeTiles(tiles, first, count, places);
    transformInputs(input, tiles, places, count, input.x, local, v);
    transformGradients(gradient, tiles, places, count, gradient.x, local, g);
    let out = partial;
    // Where no tile has a fourth gradient, the last coefficient is zero.
    const coefficients: usize = first == from ? 6 : coefficientsOf(tiles, places, count);
    for (let k: usize = 0; k < coefficients; k++) {
      const at = k * coefficientBytes;
      for (let q = 0; q < inQuads; q++) {
        const x = v + at + load<usize>(table + (q << 2));
        if (first == from) outerPlanes<Yes>(x, g + at, outOcts, count, out);
        else outerPlanes<No>(x, g + at, outOcts, count, out);
        out += (outOcts as usize) << 7;
      }
    }
  }
}
