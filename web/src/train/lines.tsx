import { StepChart } from '../chart.tsx';
import type { Curve } from './training.ts';

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
  const [, now] = curve[curve.length - 1];
  const caption = (
    <>
      {title} <strong>{format(now)}</strong>
    </>
  );
  return (
    <StepChart
      {...{ caption, format, height: 180, left: 46 }}
      label={`${title} ${format(now)}`}
      curves={[{ name: title, class: 'reversible', points: curve }]}
      steps={Math.max(1, steps)}
      end={steps}
      high={most ?? Math.max(...curve.map(([, value]) => value)) * 1.05}
    />
  );
}
