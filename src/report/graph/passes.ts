import type { Graph, Node } from '../../ir/graph.js';
import { valuesOf } from '../../ir/graph.js';
import type { Value } from '../../ir/value.js';
import { formatShape } from '../../ir/value.js';
import { escapeHtml } from '../escape.js';

/** The graph as a pass left it. */
export interface AfterPass {
  readonly pass: string;
  readonly graph: Graph;
}

const lane = 8;
const row = 22;

interface Span {
  readonly lane: number;
  readonly last: number;
}

/**
 * What is drawn beside each node: the activations that live there as vertical lines, each from the node that writes it to
 * the last that reads it, and the node as a dot on the line it writes. @returns one SVG path and dot per node.
 */
export function lanesOf(
  graph: Graph,
): { readonly path: string; readonly dot: number; readonly width: number }[] {
  const lastRead = new Map<number, number>();
  graph.nodes.forEach((node, at) => {
    for (const value of valuesOf(node.inputs)) lastRead.set(value.id, at);
  });
  for (const value of Object.values(graph.outputs)) lastRead.set(value.id, graph.nodes.length);
  const live = new Map<number, Span>();
  const x = (index: number) => index * lane + lane / 2;
  const [middle, half] = [row / 2, lane / 2];
  const free = (): number => {
    const taken = new Set([...live.values()].map((span) => span.lane));
    let index = 0;
    while (taken.has(index)) index++;
    return index;
  };
  const rows = graph.nodes.map((node, at) => {
    const read = valuesOf(node.inputs).flatMap((value) => live.get(value.id) ?? []);
    const ending = new Set([...live].filter(([, { last }]) => last === at).map(([id]) => id));
    const through = [...live].filter(([id]) => !ending.has(id)).map(([, span]) => span);
    const ended = [...ending].map((id) => live.get(id)!);
    for (const id of ending) live.delete(id);
    const written: Span[] = [];
    for (const value of Object.values(node.outputs)) {
      const last = lastRead.get(value.id) ?? at;
      if (value.role !== 'activation' || last <= at) continue;
      const span = { lane: free(), last };
      live.set(value.id, span);
      written.push(span);
    }
    const dot = x(written[0]?.lane ?? read[0]?.lane ?? 0);
    const bend = (from: number, up: boolean) =>
      from === dot
        ? `M${from} ${up ? 0 : middle}V${up ? middle : row}`
        : `M${from} ${up ? 0 : row}V${up ? middle - half : middle + half}Q${from} ${middle} ${from + (dot > from ? half : -half)} ${middle}H${dot}`;
    const path = [
      ...through.map((span) => `M${x(span.lane)} 0V${row}`),
      ...ended.map((span) => bend(x(span.lane), true)),
      ...read.filter((span) => !ended.includes(span)).map((span) => `M${x(span.lane)} ${middle}H${dot}`),
      ...written.map((span) => bend(x(span.lane), false)),
    ].join('');
    return {
      path,
      dot,
      lanes: Math.max(0, ...[...through, ...ended, ...written].map((span) => span.lane)) + 1,
    };
  });
  const width = lane * Math.max(1, ...rows.map(({ lanes }) => lanes));
  return rows.map(({ path, dot }) => ({ path, dot, width }));
}

const nameOf = ({ op, label, phase }: Node): string => `${phase} ${op} ${label}`;

const valueCell = (values: readonly (readonly [string, Value | undefined])[]): string =>
  values
    .flatMap(([key, value]) =>
      value && value.role !== 'param' && value.role !== 'state' && value.role !== 'constant'
        ? [
            `<span title="${escapeHtml(`${value.name}, ${value.dtype}`)}">${escapeHtml(key)} ${formatShape(value.shape)}</span>`,
          ]
        : [],
    )
    .join(', ');

/** One pass: its graph node by node, those that the pass before did not have marked. */
function passSection({ pass, graph }: AfterPass, before: Graph | undefined, open: boolean): string {
  const known = new Set(before?.nodes.map(nameOf));
  const own = new Set(graph.nodes.map(nameOf));
  const added = before ? graph.nodes.filter((node) => !known.has(nameOf(node))).length : 0;
  const gone = [...known].filter((name) => !own.has(name)).length;
  const change = before ? `, ${added} new, ${gone} gone` : '';
  const lanes = lanesOf(graph);
  const rows = graph.nodes.map((node, i) => {
    const { path, dot, width } = lanes[i];
    const fresh = before && !known.has(nameOf(node)) ? ' class="new"' : '';
    return (
      `<tr${fresh}><td class="lanes"><svg width="${width}" height="${row}"><path d="${path}"/><circle cx="${dot}" cy="${row / 2}" r="3"/></svg></td>` +
      `<td class="value">${i + 1}</td><td>${node.phase}</td><td><b>${escapeHtml(node.op)}</b></td><td>${escapeHtml(node.label)}</td>` +
      `<td>${valueCell(Object.entries(node.inputs))}</td><td>${valueCell(Object.entries(node.outputs))}</td></tr>`
    );
  });
  const head = ['', '#', 'phase', 'op', 'label', 'reads', 'writes']
    .map((title) => `<th>${title}</th>`)
    .join('');
  return (
    `<details class="card pass"${open ? ' open' : ''}><summary>${escapeHtml(pass)}: ${graph.nodes.length} nodes${change}</summary>` +
    `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`
  );
}

/** The graph after every pass, the last one unfolded. */
export const passSections = (passes: readonly AfterPass[]): string =>
  passes.map((after, i) => passSection(after, passes[i - 1]?.graph, i === passes.length - 1)).join('\n');
