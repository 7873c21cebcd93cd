import { No } from '../lanes';
import { Span } from '../span';
import { Ints } from '../tables';
import { planeBytes } from './gemm';
import { Input, packPixels, packWindow, Window } from './input';
import { outerPlanes } from './outer';

@unmanaged
class GradWeightArgs {
  input: Input;
  window: Window;
  gradient: Input;
  block: i32;
  /** Rows of all images. */
  span: Span;
  chunksPerGroup: i32;
  partials: usize;
  partialBytes: usize;
  /** As in `direct.ts`. */
  planes: i32;
  table: Ints;
  inputBytes: usize;
}

/** One partial weight gradient per chunk of rows: `[tap][input][output]`, inputs filled up to multiples of 4, outputs of 8. */
export function convGradWeight(grid: GradWeightArgs, chunk: i32, local: usize): void {
  const input = grid.input;
  const window = grid.window;
  const gradient = grid.gradient;
  const group = chunk / grid.chunksPerGroup;
  const from = grid.span.first(chunk % grid.chunksPerGroup);
  const to = grid.span.last(chunk % grid.chunksPerGroup);
  const octs = (gradient.channels + 7) >> 3;
  const first = group * gradient.channels;
  const outBytes = (octs as usize) << 7;
  const partial = grid.partials + (chunk as usize) * grid.partialBytes;
  const table = grid.table;
  const g = local + grid.inputBytes;
  memory.fill(partial, 0, grid.partialBytes);
  for (let row = from; row < to; row++) {
    const n = row / gradient.height;
    const oy = row - n * gradient.height;
    const line = gradient.x + (n as usize) * gradient.image + (oy as usize) * gradient.row + ((first as usize) << 2);
    for (let ox = 0; ox < gradient.width; ox += grid.block) {
      const count = min(grid.block, gradient.width - ox);
      packWindow(input, window, group, n, oy, ox, count, local);
      const src = line + (ox as usize) * gradient.pixel;
      packPixels(gradient, first, src, gradient.pixel, count, g, planeBytes);
      let out = partial;
      for (let i = 0; i < grid.planes; i++) {
        outerPlanes<No>(local + load<usize>(table + ((i as usize) << 2)), g, octs, count, out);
        out += outBytes;
      }
    }
  }
}

@unmanaged
class ReduceWeightsArgs {
  partials: usize;
  partialBytes: usize;
  chunksPerGroup: i32;
  taps: i32;
  inputs: i32;
  outputs: i32;
  gw: usize;
  /** Output channels of all groups, in bytes. */
  rowBytes: usize;
}

/** Adds the partials in chunk order. One chunk: one tap of one group. */
export function convReduceWeights(a: ReduceWeightsArgs, chunk: i32, local: usize): void {
  const group = chunk / a.taps;
  const tap = chunk - group * a.taps;
  const inputs = (a.inputs + 3) & ~3;
  const outputs = (a.outputs + 7) & ~7;
  const first = a.partials + ((group * a.chunksPerGroup) as usize) * a.partialBytes + ((tap * inputs * outputs) << 2);
  for (let i = 0; i < a.inputs; i++) {
    const dst = a.gw + ((tap * a.inputs + i) as usize) * a.rowBytes + ((group * a.outputs) << 2);
    for (let o = 0; o < a.outputs; o++) {
      let sum: f32 = 0;
      let src = first + ((i * outputs + o) << 2);
      for (let c = 0; c < a.chunksPerGroup; c++) {
        sum += load<f32>(src);
        src += a.partialBytes;
      }
      store<f32>(dst + (o << 2), sum);
    }
  }
}
