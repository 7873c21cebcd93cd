import { storeBoth } from '../lanes';
import { Span } from '../span';
import { Ints } from '../tables';
import { multiplyPlanes } from './gemm';
import { Input, packWindow, Window } from './input';
import { Output, writePixels } from './output';
import { weightsOffset, weightsStep } from './weights';

@unmanaged
class PackWeightsArgs {
  packed: usize;
  /** Channels of one group. */
  inputs: i32;
  outputs: i32;
  /** Steps in the weight tensor, in bytes. */
  inputStep: usize;
  outputStep: usize;
  groupStep: usize;
  blocks: i32;
  groupBytes: usize;
  taps: i32;
  /** Address of each tap's first weight. */
  sources: Ints;
}

/**
 * Weights as `multiplyPlanes` walks them: `[group][block of 8 outputs][tap][input][8]`, blocks as in `weights.ts`, filled up with
 * zeros to whole blocks and to multiples of 4 inputs. One chunk: one block.
 */
export function convPackWeights(a: PackWeightsArgs, chunk: i32, local: usize): void {
  const group = chunk / a.blocks;
  const block = chunk % a.blocks;
  const first = 8 * block;
  const outputs = min(8, a.outputs - first);
  const inputs = (a.inputs + 3) & ~3;
  const whole = a.outputStep == 4 && outputs == 8;
  const bytes = ((a.taps * inputs) as usize) << 5;
  const step = weightsStep(block, a.blocks, bytes);
  let dst = a.packed + (group as usize) * a.groupBytes + weightsOffset(block, a.blocks, bytes);
  const offset = (group as usize) * a.groupStep + (first as usize) * a.outputStep;
  for (let t = 0; t < a.taps; t++) {
    const w = load<usize>(a.sources + ((t as usize) << 2)) + offset;
    for (let i = 0; i < inputs; i++) {
      const from = w + (i as usize) * a.inputStep;
      if (whole && i < a.inputs) {
        storeBoth(dst, v128.load(from), v128.load(from, 16));
      } else {
        for (let o = 0; o < 8; o++) {
          const real = i < a.inputs && o < outputs;
          const weight: f32 = real ? load<f32>(from + (o as usize) * a.outputStep) : 0;
          store<f32>(dst + ((o as usize) << 2), weight);
        }
      }
      dst += step;
    }
  }
}

@unmanaged
class DirectArgs {
  input: Input;
  window: Window;
  output: Output;
  rows: i32;
  columns: i32;
  /** Output pixels packed at a time, and how many times that makes a row. */
  block: i32;
  perRow: i32;
  /** Blocks of all images. */
  span: Span;
  chunksPerGroup: i32;
  weights: usize;
  groupBytes: usize;
  /** Where each tap's each quad of inputs lies in the packed input, and their number. */
  planes: i32;
  table: Ints;
  /** Bytes of packed input in `local`; the products follow. */
  inputBytes: usize;
}

/** Outputs, in eights, whose products are made and written at a time: they stay in a cache until all inputs are added. */
export const octsPerPass: i32 = 32;

/** Direct convolution, also of the gradient of the input: blocks of output pixels, any window. */
export function convDirect(grid: DirectArgs, chunk: i32, local: usize): void {
  const input = grid.input;
  const window = grid.window;
  const output = grid.output;
  const group = chunk / grid.chunksPerGroup;
  const from = grid.span.first(chunk % grid.chunksPerGroup);
  const to = grid.span.last(chunk % grid.chunksPerGroup);
  const octs = (output.channels + 7) >> 3;
  const first = group * output.channels;
  const weights = grid.weights + (group as usize) * grid.groupBytes;
  const products = local + grid.inputBytes;
  const octBytes = (grid.planes as usize) << 7;
  for (let block = from; block < to; block++) {
    const row = block / grid.perRow;
    const ox = (block - row * grid.perRow) * grid.block;
    const n = row / grid.rows;
    const oy = row - n * grid.rows;
    const count = min(grid.block, grid.columns - ox);
    packWindow(input, window, group, n, oy, ox, count, local);
    const y =
      output.y +
      (n as usize) * output.image +
      (oy as usize) * output.row +
      (ox as usize) * output.pixel +
      ((first as usize) << 2);
    const r = output.residual
      ? output.residual +
        (n as usize) * output.residualImage +
        (oy as usize) * output.residualRow +
        (ox as usize) * output.residualPixel +
        ((first as usize) << 2)
      : 0;
    for (let o = 0; o < octs; o += octsPerPass) {
      const some = min(octsPerPass, octs - o);
      const w = weights + (o as usize) * octBytes;
      multiplyPlanes(grid.table, grid.planes, local, w, some, octs, count, products);
      const at = (o as usize) << 5;
      writePixels(output, first, 8 * o, some, products, count, y + at, r ? r + at : 0);
    }
  }
}
