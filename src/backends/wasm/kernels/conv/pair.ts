/**
 * A 3×1 convolution and the 1×3 convolution that alone reads its result, as one-dimensional Winograd each
 * (`winograd1d.ts`). A row of vertical tiles gives four rows, `dilation` apart and of the whole width, which stay in
 * private memory (a second-level cache holds them) until the second convolution has read them.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { Span } from '../span';
import { tilesPerBlock } from './gemm';
import { Input } from './input';
import { Output } from './output';
import { fillConstants, Place, placeTiles, Tiles } from './tiles';
import { convolveTiles } from './winograd1d';

@unmanaged
class Winograd1dPairArgs {
  /** The first convolution. */
  input: Input;
  inner: Output;
  down: Tiles;
  /** The second. */
  between: Input;
  output: Output;
  along: Tiles;
  /** Rows of tiles of all images. */
  span: Span;
  /** Columns transformed at a time by the first convolution. */
  strip: i32;
  /** Part of `local`: four rows between the convolutions. */
  middle: usize;
}

// @ts-ignore: decorator
@inline
function convolvePair(pair: Winograd1dPairArgs, chunk: i32, local: usize, integers: bool): void {
  const input = pair.input;
  const inner = pair.inner;
  const down = pair.down;
  const between = pair.between;
  const output = pair.output;
  const along = pair.along;
  const places = local + down.places;
  const v = local + down.inputs;
  const m = local + down.products;
  const middle = local + pair.middle;
  const to = pair.span.last(chunk);
  fillConstants(down, local);
  for (let row = pair.span.first(chunk); row < to; row++) {
    const image = (row / down.along) as usize;
    const tile = row % down.along;
    const position = 4 * tile - 3 * (tile % down.dilation);
    const rows = min(4, (down.length - position + down.dilation - 1) / down.dilation);
    if (rows <= 0) continue;
    // `inner.row` is a d-th part of a row of the middle: outputs of a tile are d rows apart.
    const top = middle - (position as usize) * inner.row;
    for (let left = 0; left < down.across; left += pair.strip) {
      const count = min(pair.strip, down.across - left);
      for (let i = 0; i < count; i++) {
        const place = changetype<Place>(places + (i as usize) * offsetof<Place>());
        place.image = 0;
        place.line = left + i;
        place.position = position;
      }
      convolveTiles(input, inner, down, places, count, input.x + image * input.image, top, 0, local, v, m, integers);
    }
    // `output.row` spans d rows: the second convolution writes every d-th.
    const offset = image * output.image + (position as usize) * (output.row / (down.dilation as usize));
    const residual =
      image * output.residualImage + (position as usize) * (output.residualRow / (down.dilation as usize));
    const total = rows * along.along;
    for (let first = 0; first < total; first += tilesPerBlock) {
      const count = min(tilesPerBlock, total - first);
      placeTiles(along, first, count, places);
      convolveTiles(
        between,
        output,
        along,
        places,
        count,
        middle,
        output.y + offset,
        output.residual + residual,
        local,
        v,
        m,
        integers,
      );
    }
  }
}

export function convWinograd1dPair(a: Winograd1dPairArgs, chunk: i32, local: usize): void {
  convolvePair(a, chunk, local, false);
}

/** The same with products of 16-bit integers; no prologues. */
export function convWinograd1dPairI16(a: Winograd1dPairArgs, chunk: i32, local: usize): void {
  convolvePair(a, chunk, local, true);
}
