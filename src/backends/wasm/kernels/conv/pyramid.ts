/**
 * A pyramid pooling and a convolution of one tap of the same stride that reads the same map, row by row: what the pooling has
 * read is in the cache when the convolution reads it, and lines of memory to which both write are written once.
 */

import { PyramidPoolArgs } from '../pool';
import { denseRow, denseTile } from '../poolDense';
import { PointwiseArgs, pointRow, pointsOf } from './pointwise';

@unmanaged
class PyramidConvArgs {
  pool: PyramidPoolArgs;
  /** Its span is not read: chunks are those of the pooling. */
  conv: PointwiseArgs;
  /** Part of `local`: what the convolution has of its own. */
  ofConv: usize;
}

export function convPyramid(a: PyramidConvArgs, chunk: i32, local: usize): void {
  const pool = a.pool;
  const conv = a.conv;
  const ofConv = local + a.ofConv;
  const tile = denseTile(pool, chunk, local);
  const k = pointsOf(conv, ofConv);
  for (let row = tile.firstRow; row < tile.lastRow; row++) {
    denseRow(pool, tile, row);
    pointRow(conv, k, tile.image * pool.yHeight + row, tile.left, tile.columns, ofConv);
  }
}
