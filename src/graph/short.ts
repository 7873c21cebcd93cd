import type { Graph } from '../ir/graph.js';
import { opOf } from '../ops/index.js';

/** Lets every op that can multiply 16-bit integers do so, see `products` in `ops/conv.ts`. Inference only. */
export const allowShortProducts = (graph: Graph): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) =>
    opOf(node).shortProducts ? { ...node, attrs: { ...node.attrs, products: 'i16' } } : node,
  ),
});
