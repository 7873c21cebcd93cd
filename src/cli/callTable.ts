import type { Plan, TensorRef } from '../graph/planned.js';
import { formatShape } from '../ir/value.js';
import { formatExact, formatGiga, formatMiB } from '../report/format.js';
import { formatTable } from './table.js';

/** Every kernel call of a plan: what it writes and at which byte of the arena, its private memory, the memory in use. */
export function callTable(plan: Plan): string {
  const columns = [
    { title: '#', align: 'right' },
    { title: 'phase', rank: 4 },
    { title: 'op', rank: 1 },
    { title: 'label' },
    { title: 'writes', rank: 2 },
    { title: 'at byte', align: 'right', rank: 3 },
    { title: 'algorithm', rank: 7 },
    { title: 'scratch MiB', align: 'right', rank: 5 },
    { title: 'MiB in use', align: 'right' },
    { title: 'GFLOP', align: 'right', rank: 6 },
  ] as const;
  const rows = plan.calls.map((call, i) => {
    const written = Object.values<TensorRef | undefined>(call.outputs).filter((ref) => ref !== undefined);
    return [
      String(i + 1),
      call.phase,
      call.op,
      call.label,
      written
        .map(({ shape, dtype }) => `${formatShape(shape)}${dtype === 'f32' ? '' : ` ${dtype}`}`)
        .join(', '),
      isBetween(plan, i) ? '–' : written.map(({ offset }) => formatExact(offset)).join(', '),
      call.joined === 'next' ? 'with the next' : (call.algorithm ?? ''),
      call.scratch.bytes === 0 ? '–' : formatMiB(call.scratch.bytes),
      formatMiB(plan.timeline[i].bytes),
      formatGiga(call.flops),
    ];
  });
  return formatTable(columns, rows);
}

/** Whether the call's result is never written: the next call of its phase, which alone reads it, is one kernel with it. */
function isBetween({ calls }: Plan, i: number): boolean {
  const { joined, phase, outputs } = calls[i];
  const next = calls.slice(i + 1).find((call) => call.phase === phase);
  const names = (record: object) =>
    Object.values<TensorRef | undefined>({ ...record }).map((ref) => ref?.name);
  return joined === 'next' && next !== undefined && names(next.inputs).includes(names(outputs)[0]);
}
