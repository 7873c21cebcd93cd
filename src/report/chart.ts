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
