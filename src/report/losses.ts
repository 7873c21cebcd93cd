import * as Plot from '@observablehq/plot';
import { namesApart, renderChart } from './chart.js';
import { runColour } from './charts.js';
import type { LossPoint } from './data.js';

/** Loss of several trainings over epochs as an SVG of its own, each curve named at its end. */
export function lossesChart(
  runs: readonly { readonly name: string; readonly losses: readonly LossPoint[] }[],
): string {
  const points = runs.flatMap(({ name, losses }, i) =>
    losses.map((point) => ({ ...point, name, colour: runColour(i) })),
  );
  const ends = runs.flatMap(({ name }) => points.filter((point) => point.name === name).slice(-1));
  const longest = Math.max(...runs.map(({ name }) => name.length));
  return renderChart(
    {
      ariaLabel: 'Training loss of each run over epochs',
      width: 560,
      height: 300,
      marginRight: 24 + 7 * longest,
      x: { label: 'epoch' },
      y: { label: 'loss', grid: true, zero: true, ticks: 5 },
      color: { type: 'identity' },
      marks: [
        Plot.ruleY([0], { strokeOpacity: 0.4 }),
        Plot.lineY(points, { x: 'epoch', y: 'loss', z: 'name', stroke: 'colour', strokeWidth: 2 }),
        Plot.dot(ends, { x: 'epoch', y: 'loss', fill: 'colour', r: 3 }),
        Plot.text(
          namesApart(ends, ({ loss }) => loss, Math.max(...points.map(({ loss }) => loss))),
          { x: 'epoch', y: 'at', text: 'name', dx: 7, textAnchor: 'start', fill: 'colour' },
        ),
      ],
    },
    { standalone: true },
  );
}
