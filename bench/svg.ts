import type { PlotOptions } from '@observablehq/plot';
import { chartColours, renderChart } from '../src/report/chart.js';

/** A chart as an SVG file, with colours instead of variables: not every viewer resolves those. */
export const chartFile = (spec: PlotOptions): string =>
  renderChart(spec, { standalone: true }).replace(
    /var\((--[\w-]+)\)/g,
    (_, name: keyof typeof chartColours) => chartColours[name],
  );
