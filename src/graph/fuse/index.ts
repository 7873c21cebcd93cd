import type { Graph } from '../../ir/graph.js';
import { accumulate } from './accumulate.js';
import { bytes } from './bytes.js';
import { fold, foldSums } from './fold.js';
import { lower } from './lower.js';
import { prologue } from './prologue.js';
import { Rewriter } from './rewriter.js';
import { dropUnused } from './unused.js';
import { beforeUpsampling, tapsBeforeUpsampling } from './upsampling.js';

export { dropUnused } from './unused.js';

/**
 * Merges neighbouring nodes into the kernels that backends have, by what their ops say of themselves: batch norm
 * becomes two coefficients and an affine map; affine maps, PReLUs and additions move into the prologue or epilogue of a
 * convolution, a pooling or each other, and so does the normalisation of an image; what maps pixels goes before upsamplings. What a merged value would have held is
 * never written. Also drops nodes nothing needs.
 */
export function fuse(graph: Graph): Graph {
  const work = new Rewriter({ ...graph, nodes: dropUnused(graph) });
  for (const rule of [
    bytes,
    lower,
    fold,
    beforeUpsampling,
    tapsBeforeUpsampling,
    prologue,
    accumulate,
    foldSums,
  ])
    work.apply(rule);
  return { ...graph, nodes: dropUnused({ ...graph, nodes: work.nodes }), regions: [] };
}
