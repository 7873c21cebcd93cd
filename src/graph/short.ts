import type { Graph } from '../ir/graph.js';
import type { ConvAttrs } from '../ops/conv.js';
import { opOf } from '../ops/index.js';

/** Lets every op that can multiply small integers do so, see `products` in `ops/conv.ts`. Inference only. */
export const allowShortProducts = (graph: Graph, products: NonNullable<ConvAttrs['products']>): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) =>
    opOf(node).shortProducts ? { ...node, attrs: { ...node.attrs, products } } : node,
  ),
});
