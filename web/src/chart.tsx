import type { ComponentChildren } from 'preact';

const [width, right, top, bottom] = [420, 10, 10, 24];

/** Pairs of a step and a value. */
export type Points = readonly (readonly [step: number, value: number])[];

interface StepChartProps {
  readonly caption: ComponentChildren;
  /** The same and what the curves end at, for those who do not see them. */
  readonly label: string;
  readonly curves: readonly { readonly name: string; readonly class: string; readonly points: Points }[];
  /** Where the axis of steps ends; at least 1. */
  readonly steps: number;
  /** What the axis says there. */
  readonly end: number;
  /** Where the axis of values ends. */
  readonly high: number;
  readonly format: (value: number) => string;
  readonly height: number;
  /** Room for the values of the axis. */
  readonly left: number;
}

/** Curves over the steps of trainings. */
export function StepChart({
  caption,
  label,
  curves,
  steps,
  end,
  high,
  format,
  height,
  left,
}: StepChartProps) {
  const x = (step: number) => left + ((width - left - right) * step) / steps;
  const y = (value: number) => height - bottom - ((height - top - bottom) * Math.min(value, high)) / high;
  const pathOf = (points: Points) =>
    points.map(([step, value], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  return (
    <figure class="lines">
      <figcaption>{caption}</figcaption>
      <svg class="chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
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
          {end}
        </text>
        <text x={left} y={height - 6}>
          0
        </text>
        {curves.map(({ name, class: series, points }) => (
          <g key={name}>
            <path class={series} d={pathOf(points)} />
            {points.length === 1 && <circle class={series} cx={x(points[0][0])} cy={y(points[0][1])} r="3" />}
          </g>
        ))}
      </svg>
    </figure>
  );
}
