import type { PlotOptions } from '@observablehq/plot';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { chartColours } from './colours.js';

const standaloneStyle = 'color:#1f2933;background:#ffffff';

/**
 * Draws a chart to SVG text, without a browser: an Observable Plot specification, its defaults made readable at
 * small sizes. Text is in `currentColor`, series in the variables of {@link chartColours}.
 * @param options.standalone for a file of its own: the SVG names its colours, as not every viewer resolves variables,
 *   and brings a white background.
 */
export function renderChart(spec: PlotOptions, options: { standalone?: boolean } = {}): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const drawn = Plot.plot({
    width: 460,
    height: 250,
    marginLeft: 46,
    marginBottom: 38,
    ...spec,
    style: { fontSize: '12px', ...(typeof spec.style === 'object' ? spec.style : {}) },
    document: document as unknown as Document,
  });
  // A specification with a legend or title comes as a figure around the SVG.
  const svg = drawn.matches('svg') ? drawn : drawn.querySelector('svg')!;
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('role', 'img');
  if (!options.standalone) return svg.outerHTML;
  svg.setAttribute('style', `${svg.getAttribute('style') ?? ''};${standaloneStyle}`);
  return svg.outerHTML.replace(
    /var\((--[\w-]+)\)/g,
    (variable, name: string) => new Map<string, string>(Object.entries(chartColours)).get(name) ?? variable,
  );
}

/** A point of a curve over epochs. */
interface CurvePoint {
  readonly name: string;
  readonly epoch: number;
  readonly colour: string;
}

/**
 * Marks of several curves over epochs, each named at its end; one that others lie on is wider than they are, so that all are
 * seen. @param y what the height is. @param top of the axis.
 */
export function curves<Y extends string>(
  points: readonly (CurvePoint & Readonly<Record<Y, number>>)[],
  y: Y,
  top = Math.max(...points.map((point) => point[y])),
) {
  const runs = [...new Set(points.map(({ name }) => name))].map((name) =>
    points.filter((point) => point.name === name),
  );
  const ends = runs.map((run) => run.at(-1)!);
  const covers = (run: typeof points, other: typeof points): boolean =>
    run.length === other.length &&
    run.every((point, i) => point.epoch === other[i].epoch && Math.abs(point[y] - other[i][y]) < 0.01 * top);
  const widths = runs.map((run, i) => 2 + 3 * runs.slice(i + 1).filter((other) => covers(other, run)).length);
  return [
    Plot.ruleY([0], { strokeOpacity: 0.4 }),
    ...runs.map((run, i) => Plot.lineY(run, { x: 'epoch', y, stroke: 'colour', strokeWidth: widths[i] })),
    Plot.dot(ends, { x: 'epoch', y, fill: 'colour', r: 3 }),
    Plot.text(
      namesApart(ends, (end) => end[y], top),
      { x: 'epoch', y: 'at', text: 'name', dx: 7, textAnchor: 'start', fill: 'colour' },
    ),
  ];
}

/** `at`: the height of a name at the end of a line, that of its value, moved up where it would cover the one below. `top`: of the axis. */
export function namesApart<T extends object>(
  ends: readonly T[],
  value: (end: T) => number,
  top = Math.max(...ends.map(value)),
): (T & { readonly at: number })[] {
  const gap = 0.06 * top;
  let below = Number.NEGATIVE_INFINITY;
  return [...ends]
    .sort((a, b) => value(a) - value(b))
    .map((end) => {
      below = Math.max(value(end), below + gap);
      return { ...end, at: below };
    });
}
