import type { Points } from '../chart.tsx';
import { StepChart } from '../chart.tsx';
import type { RunDetails } from './server.ts';

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
  const curves = runs.map((run, i) => ({ name: run.name, class: `series-${i}`, points: points(run) }));
  const all = curves.flatMap((curve) => curve.points);
  if (all.length === 0) return null;
  const largest = (of: 0 | 1) => all.reduce((high, point) => Math.max(high, point[of]), 0);
  const steps = Math.max(1, largest(0));
  const says = curves.flatMap((curve) => {
    const last = curve.points.at(-1);
    return last ? [`${curve.name} ${format(last[1])}`] : [];
  });
  return (
    <StepChart
      {...{ caption: title, curves, steps, format, height: 200, left: 52 }}
      label={`${title}: ${says.join(', ')}`}
      end={steps}
      high={most ?? Math.max(largest(1) * 1.05, 1e-9)}
    />
  );
}
