import * as Plot from '@observablehq/plot';
import { renderChart } from '../../src/report/chart.js';

export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Factor of the proportional law that is drawn through the points. */
  readonly line: number;
}

export interface LinesOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly logarithmic?: boolean;
  readonly series: readonly Series[];
}

const colours = ['var(--accent)', 'var(--accent-2)', 'var(--accent-3)'];

/** Measured points over the straight lines `y = line·x` that they should lie on, as an SVG file. */
export function linesChart({ title, x, y, logarithmic, series }: LinesOptions): string {
  const type = logarithmic ? 'log' : 'linear';
  const measured = series.flatMap(({ points, name }, i) =>
    points.map((point) => ({ ...point, name, colour: colours[i % colours.length] })),
  );
  const laws = series.flatMap(({ points, line, name }, i) => {
    const ends = [points[0].x, points[points.length - 1].x];
    return ends.map((at) => ({ x: at, y: line * at, name, colour: colours[i % colours.length] }));
  });
  const ends = series.map(({ points, name }, i) => ({
    ...points[points.length - 1],
    name,
    colour: colours[i % colours.length],
  }));
  return renderChart(
    {
      ariaLabel: `${title}: ${y} over ${x}`,
      marginRight: 74,
      marginTop: 30,
      x: logarithmic
        ? {
            ...{ type, label: x, ticks: [...new Set(measured.map((point) => point.x))] },
            // A format as text leaves out ticks that d3 finds too many for a logarithmic axis.
            tickFormat: (value: number) => String(Number(value.toPrecision(2))),
          }
        : { type, label: x, ticks: 4, zero: true },
      y: {
        type,
        label: y,
        grid: true,
        ...(logarithmic
          ? { ticks: [3, 10, 30, 100, 300, 1000, 3000], tickFormat: 'd' }
          : { ticks: 5, zero: true }),
      },
      color: { type: 'identity' },
      marks: [
        Plot.line(laws, {
          x: 'x',
          y: 'y',
          z: 'name',
          stroke: 'colour',
          strokeWidth: 1.2,
          strokeDasharray: '4 3',
        }),
        Plot.dot(measured, { x: 'x', y: 'y', fill: 'colour', r: 4 }),
        Plot.text(ends, { x: 'x', y: 'y', text: 'name', dx: 8, textAnchor: 'start', fill: 'colour' }),
        Plot.text([title], { frameAnchor: 'top', dy: -18, text: (d: string) => d, fontWeight: 600 }),
      ],
    },
    { standalone: true },
  );
}
