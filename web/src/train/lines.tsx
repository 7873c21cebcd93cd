import type { Curve } from './training.ts';

const [width, height, left, right, top, bottom] = [420, 180, 46, 10, 10, 24];

interface LinesProps {
  readonly curve: Curve;
  readonly title: string;
  /** Steps of the whole run: where the axis ends. */
  readonly steps: number;
  readonly format: (value: number) => string;
  /** Where the axis of values ends; default: the largest value. */
  readonly most?: number;
}

/** A curve over the steps of a training. */
export function Lines({ curve, title, steps, format, most }: LinesProps) {
  if (curve.length === 0) return null;
  const high = most ?? Math.max(...curve.map(([, value]) => value)) * 1.05;
  const x = (step: number) => left + ((width - left - right) * step) / Math.max(1, steps);
  const y = (value: number) => height - bottom - ((height - top - bottom) * Math.min(value, high)) / high;
  const path = curve.map(
    ([step, value], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`,
  );
  const [, now] = curve[curve.length - 1];
  return (
    <figure class="lines">
      <figcaption>
        {title} <strong>{format(now)}</strong>
      </figcaption>
      <svg class="chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`${title} ${format(now)}`}>
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
        <path class="reversible" d={path.join('')} />
        {curve.length === 1 && <circle class="reversible" cx={x(curve[0][0])} cy={y(now)} r="3" />}
      </svg>
    </figure>
  );
}
