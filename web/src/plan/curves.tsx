import type { Plan } from '../library.ts';
import { text } from '../text.ts';

const [height, left, right, top, bottom] = [320, 62, 12, 12, 36];

/** Steps of 1, 2 or 5 times a power of ten, about four up to `most`. */
function ticks(most: number): number[] {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

/** The memory in use over the kernel calls of a step, a stair for each policy. */
export function MemoryCurves({ plans }: { plans: readonly { policy: string; plan: Plan }[] }) {
  // On a phone the drawing is narrower, so that its words stay readable.
  const width = matchMedia('(max-width: 40rem)').matches ? 420 : 900;
  const most = Math.max(...plans.map(({ plan }) => plan.arenaBytes)) / 2 ** 20;
  const calls = Math.max(...plans.map(({ plan }) => plan.calls.length));
  const x = (call: number) => left + ((width - left - right) * call) / calls;
  const y = (mib: number) => height - bottom - ((height - top - bottom) * mib) / most;
  const stair = ({ timeline }: Plan) => {
    const levels = timeline.map(({ bytes }) => y(bytes / 2 ** 20).toFixed(1));
    const steps = levels.slice(1).map((level, i) => `H${x(i + 1).toFixed(1)}V${level}`);
    return `M${x(0)} ${levels[0]}${steps.join('')}H${x(timeline.length).toFixed(1)}`;
  };
  return (
    <svg class="chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={text.plan.chart}>
      {ticks(most).map((mib) => (
        <g key={mib}>
          <path d={`M${left} ${y(mib)}H${width - right}`} stroke="currentColor" stroke-opacity="0.15" />
          <text x={left - 6} y={y(mib) + 4} text-anchor="end">
            {mib} MiB
          </text>
        </g>
      ))}
      {ticks(calls).map((call) => (
        <text key={call} x={x(call)} y={height - 18} text-anchor="middle">
          {call}
        </text>
      ))}
      <text x={(left + width - right) / 2} y={height - 2} text-anchor="middle">
        {text.plan.calling}
      </text>
      {plans.map(({ policy, plan }) => (
        <path key={policy} class={policy} d={stair(plan)} />
      ))}
    </svg>
  );
}
