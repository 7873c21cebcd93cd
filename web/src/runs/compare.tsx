import type { RunDetails } from './server.ts';

const [width, height, left, right, top, bottom] = [420, 200, 52, 10, 10, 24];

/** Pairs of a step and a value. */
export type Points = readonly (readonly [step: number, value: number])[];

interface CompareProps {
  readonly title: string;
  /** Those compared, in the order of their colours. */
  readonly runs: readonly RunDetails[];
  readonly points: (run: RunDetails) => Points;
  readonly format: (value: number) => string;
  /** Where the axis of values ends; default: the largest value. */
  readonly most?: number;
}

/** One curve of several runs over their steps. */
export function Compare({ title, runs, points, format, most }: CompareProps) {
  const curves = runs.map(points);
  const all = curves.flat();
  if (all.length === 0) return null;
  const largest = (of: 0 | 1) => all.reduce((high, point) => Math.max(high, point[of]), 0);
  const [steps, high] = [Math.max(1, largest(0)), most ?? Math.max(largest(1) * 1.05, 1e-9)];
  const x = (step: number) => left + ((width - left - right) * step) / steps;
  const y = (value: number) => height - bottom - ((height - top - bottom) * Math.min(value, high)) / high;
  const pathOf = (curve: Points) =>
    curve.map(([step, value], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const says = runs
    .flatMap(({ name }, i) => {
      const last = curves[i].at(-1);
      return last ? [`${name} ${format(last[1])}`] : [];
    })
    .join(', ');
  return (
    <figure class="lines">
      <figcaption>{title}</figcaption>
      <svg class="chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`${title}: ${says}`}>
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <path
              d={`M${left} ${y(part * high)}H${width - right}`}
              stroke="currentColor"
              stroke-opacity="0.15"
            />
            <text x={left - 5} y={y(part * high) + 4} text-anchor="end">
              {format(part * high)}
            </text>
          </g>
        ))}
        <text x={width - right} y={height - 6} text-anchor="end">
          {steps}
        </text>
        <text x={left} y={height - 6}>
          0
        </text>
        {curves.map((curve, i) => (
          <g key={runs[i].name}>
            <path class={`series-${i}`} d={pathOf(curve)} />
            {curve.length === 1 && (
              <circle class={`series-${i}`} cx={x(curve[0][0])} cy={y(curve[0][1])} r="3" />
            )}
          </g>
        ))}
      </svg>
    </figure>
  );
}
