import { verifyGraph } from '#verify';
import type { Graph } from '../ir/graph.js';

/** A step of compilation: a graph from a graph. */
export type Pass = readonly [name: string, run: (graph: Graph) => Graph];

/** Told the graph that was built, and what each pass made of it. */
export type Watch = (pass: string, graph: Graph) => void;

/** Whether every pass and every plan is verified: with `VNET_DEBUG=1`, and `VNET_VERIFY=1` in tests. */
export function debugging(): boolean {
  const { process } = globalThis as { process?: { env?: Readonly<Record<string, string | undefined>> } };
  return process?.env?.VNET_DEBUG === '1' || process?.env?.VNET_VERIFY === '1';
}

/**
 * Runs passes one after the other.
 * @throws Error naming the pass and the node where a pass breaks a rule of graphs, if that is verified.
 */
export function runPasses(built: Graph, passes: readonly Pass[], watch?: Watch): Graph {
  const check = (name: string, graph: Graph): Graph => {
    if (debugging()) verifyGraph(graph, name);
    watch?.(name, graph);
    return graph;
  };
  return passes.reduce((graph, [name, run]) => check(name, run(graph)), check('build', built));
}
