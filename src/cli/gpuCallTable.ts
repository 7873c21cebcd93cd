import type { CallCost } from '../backends/webgpu/cost.js';
import { costsOf, roofOf } from '../backends/webgpu/cost.js';
import type { Lowering } from '../backends/webgpu/lowering.js';
import type { Roof } from '../backends/webgpu/roofs.js';
import type { Plan, TensorRef } from '../graph/planned.js';
import { formatShape } from '../ir/value.js';
import { formatGiga } from '../report/format.js';
import { formatTable } from './table.js';

/** What a run costs on a GPU, counted from the kernels that were chosen; phase `prepare` is no part of a run. */
export interface GpuCosts {
  readonly costs: readonly CallCost[];
  readonly total: Omit<CallCost, 'half'> & { readonly roofMs?: number };
}

export function gpuCosts(plan: Plan, lowering: Lowering, roof: Roof | undefined): GpuCosts {
  const costs = costsOf(plan, lowering);
  const run = costs.filter((_, i) => plan.calls[i].phase !== 'prepare');
  const sum = (of: (cost: CallCost) => number) => run.reduce((total, cost) => total + of(cost), 0);
  const total = {
    dispatches: sum(({ dispatches }) => dispatches),
    read: sum(({ read }) => read),
    written: sum(({ written }) => written),
    flops: sum(({ flops }) => flops),
    workgroupBytes: Math.max(0, ...run.map(({ workgroupBytes }) => workgroupBytes)),
    ...(roof ? { roofMs: sum((cost) => roofOf(cost, roof)) } : {}),
  };
  return { costs, total };
}

export const gpuCostsToJson = ({ calls }: Plan, { costs, total }: GpuCosts) => ({
  total,
  calls: calls.map(({ op, label, phase, joined, algorithm }, i) => ({
    ...{ op, label, phase, joined, algorithm },
    ...costs[i],
  })),
});

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
const kibibytes = (bytes: number): string => (bytes === 0 ? '–' : (bytes / 1024).toFixed(1));

/** The calls of a plan as a GPU computes them. */
export function gpuCallTable(plan: Plan, { costs, total }: GpuCosts, roof: Roof | undefined): string {
  const columns = [
    { title: '#', align: 'right' },
    { title: 'phase', rank: 4 },
    { title: 'op', rank: 1 },
    { title: 'label' },
    { title: 'writes', rank: 5 },
    { title: 'candidate' },
    { title: 'dispatches', align: 'right', rank: 6 },
    { title: 'MB read', align: 'right' },
    { title: 'MB written', align: 'right' },
    { title: 'GFLOP', align: 'right', rank: 2 },
    { title: 'KiB a group', align: 'right', rank: 3 },
    ...(roof ? [{ title: 'µs at least', align: 'right' } as const] : []),
  ] as const;
  const micro = (ms: number): string => (1000 * ms).toFixed(1);
  const rows = plan.calls.map((call, i) => {
    const [first] = Object.values<TensorRef | undefined>(call.outputs);
    const cost = costs[i];
    const shown = [
      String(i + 1),
      call.phase,
      call.op,
      call.label,
      `${formatShape(first!.shape)}${first!.dtype === 'f32' ? '' : ` ${first!.dtype}`}`,
    ];
    if (call.joined === 'next') return [...shown, 'with the next', ...Array(roof ? 6 : 5).fill('')];
    return [
      ...shown,
      call.algorithm ?? '',
      String(cost.dispatches),
      megabytes(cost.read),
      megabytes(cost.written),
      formatGiga(cost.flops),
      kibibytes(cost.workgroupBytes),
      ...(roof ? [micro(roofOf(cost, roof))] : []),
    ];
  });
  const all = [
    '',
    '',
    '',
    'a run, without prepare',
    '',
    '',
    String(total.dispatches),
    megabytes(total.read),
    megabytes(total.written),
    formatGiga(total.flops),
    kibibytes(total.workgroupBytes),
    ...(total.roofMs === undefined ? [] : [micro(total.roofMs)]),
  ];
  return formatTable(columns, [...rows, all], { total: true });
}
