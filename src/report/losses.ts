import { curves, renderChart } from './chart.js';
import { runColour } from './charts.js';
import type { LossPoint } from './data.js';

/** Loss of several trainings over epochs as an SVG of its own, each curve named at its end. */
export function lossesChart(
  runs: readonly { readonly name: string; readonly losses: readonly LossPoint[] }[],
): string {
  const points = runs.flatMap(({ name, losses }, i) =>
    losses.map((point) => ({ ...point, name, colour: runColour(i) })),
  );
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
      marks: curves(points, 'loss'),
    },
    { standalone: true },
  );
}
