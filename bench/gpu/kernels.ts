import type { Call, Plan, TensorRef } from '../../src/graph/planned.js';
import type { Phase } from '../../src/ir/graph.js';
import { bytesOf, formatShape } from '../../src/ir/value.js';

/** Bytes that a call must read and write at least. */
const trafficOf = (call: Call): number =>
  [...Object.values(call.inputs), ...Object.values(call.outputs)].reduce(
    (sum, ref: TensorRef | undefined) => sum + (ref ? bytesOf(ref) : 0),
    0,
  );

/** Time of each call of the phases, with what it achieved, the slowest first, as a Markdown table. */
export function kernelTable(plan: Plan, phases: readonly Phase[], milliseconds: ArrayLike<number>): string {
  const calls = plan.calls.filter((call) => phases.includes(call.phase));
  const rows = calls
    .map((call, i) => ({ call, time: milliseconds[i] }))
    .sort((a, b) => b.time - a.time)
    .map(({ call, time }) => {
      const [first] = Object.values(call.outputs as Readonly<Record<string, TensorRef>>);
      const rate = (amount: number) => (time > 0 ? (amount / time / 1e6).toFixed(0) : '—');
      return `| ${call.op} | ${call.label} | ${formatShape(first.shape)} | ${time.toFixed(3)} | ${rate(trafficOf(call))} | ${rate(call.flops)} |`;
    });
  return [
    '| kernel | call | result | ms | GB/s | GFLOP/s |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
