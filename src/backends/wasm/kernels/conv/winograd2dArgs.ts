import { Span } from '../span';
import { Ints } from '../tables';
import { Input } from './input';
import { Output } from './output';

/**
 * Bytes from one vertical coefficient of the pixels of a plane to the next; of six. 162 pixels: 16 rows of two tiles, of residues of an
 * image, have 160.
 */
export const lineBytes: usize = 5184;
export const linesBytes: usize = 6 * lineBytes;
/** Bytes from one coefficient of the tiles of a plane to the next. */
export const tileBytes: usize = 1152;
export const halfRoot: f32 = 0.7071067811865476;
export const root: f32 = 1.4142135623730951;

/** Constants of the transforms in private memory: V8 would make each anew, by several instructions, in every turn. */
export const constantBytes: usize = 32;

export function storeConstants(to: usize): void {
  store<f32>(to, -2.5);
  store<f32>(to, -2, 4);
  store<f32>(to, halfRoot, 8);
  store<f32>(to, -0.5, 12);
  store<f32>(to, root, 16);
  store<f32>(to, 2, 20);
  store<f32>(to, 4, 24);
}

@unmanaged
export class Winograd2dArgs {
  /** Of every `dilationY`-th row and `dilationX`-th column, which make an image of their own; so are all sizes here. */
  input: Input;
  output: Output;
  dilationY: i32;
  dilationX: i32;
  /** Of the output. */
  height: i32;
  width: i32;
  paddingY: i32;
  paddingX: i32;
  /** Rows of tiles in an image, in all images, in a chunk. */
  perImage: i32;
  span: Span;
  /** Tiles of a row in a strip, at most, and rows of tiles in it. */
  strip: i32;
  together: i32;
  /** Chunks that share rows, each with so many times eight outputs of its own. */
  shares: i32;
  shareOcts: i32;
  weights: usize;
  /** Of one of the 36 coefficients. */
  weightBytes: usize;
  /** Parts of `local`: packed input rows, columns transformed, tiles, products, and columns to transform back. */
  rows: usize;
  columns: usize;
  tiles: usize;
  products: usize;
  results: usize;
  /** Ones for all channels, then constants, and four rows of output that is not wanted; zeros for all channels are at the start. */
  ones: usize;
  spare: usize;
  /** Where the quads of inputs lie in `tiles`. */
  table: Ints;
}
