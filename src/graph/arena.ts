/** A block that must exist from step `start` to step `end`, both included. */
export interface Interval {
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
}

export interface Packing {
  readonly offsets: readonly number[];
  /** End of the highest block. */
  readonly bytes: number;
}

/** Pairs of blocks that are looked at again in search of a tighter packing: bounds the time for very deep networks. */
const ATTEMPTS = 2e8;

/**
 * Offsets for blocks with lifetimes such that no two that live at the same time overlap. Best fit, largest first;
 * where that leaves gaps at the peak, other orders are tried and the tightest result wins. Deterministic.
 */
export function packIntervals(intervals: readonly Interval[]): Packing {
  const bound = peakBytes(intervals);
  const size = (i: number) => intervals[i].bytes;
  const span = (i: number) => intervals[i].end - intervals[i].start;
  const orders: ((a: number, b: number) => number)[] = [
    (a, b) => size(b) - size(a) || span(b) - span(a),
    (a, b) => size(b) - size(a) || intervals[a].start - intervals[b].start,
    (a, b) => span(b) - span(a) || size(b) - size(a),
    (a, b) => size(b) * (span(b) + 1) - size(a) * (span(a) + 1),
    (a, b) => intervals[a].start - intervals[b].start || size(b) - size(a),
    (a, b) => intervals[b].end - intervals[a].end || size(b) - size(a),
  ];
  const indices = intervals.map((_, i) => i).filter((i) => size(i) > 0);
  let best: { order: number[]; packing: Packing } | undefined;
  const attempt = (order: number[]): void => {
    const packing = place(intervals, order);
    if (!best || packing.bytes < best.packing.bytes) best = { order, packing };
  };
  for (const compare of orders) {
    if (best?.packing.bytes === bound) break;
    attempt([...indices].sort((a, b) => compare(a, b) || a - b));
  }
  // Blocks that lie highest were placed too late: try them earlier.
  const rounds = Math.min(64, ATTEMPTS / intervals.length ** 2);
  for (let round = 0; round < rounds && best && best.packing.bytes > bound; round++) {
    const { order, packing } = best;
    const top = order.filter((i) => packing.offsets[i] + size(i) === packing.bytes);
    const promoted = top[round % top.length];
    const at = order.indexOf(promoted);
    const next = [...order];
    next.splice(at, 1);
    next.splice(Math.floor((at * (round % 8)) / 8), 0, promoted);
    attempt(next);
  }
  return best?.packing ?? { offsets: [], bytes: 0 };
}

/** Largest sum of blocks alive at one step: no packing can be smaller. */
function peakBytes(intervals: readonly Interval[]): number {
  const change = new Map<number, number>();
  for (const { bytes, start, end } of intervals) {
    change.set(start, (change.get(start) ?? 0) + bytes);
    change.set(end + 1, (change.get(end + 1) ?? 0) - bytes);
  }
  let live = 0;
  let peak = 0;
  for (const step of [...change.keys()].sort((a, b) => a - b)) {
    live += change.get(step)!;
    peak = Math.max(peak, live);
  }
  return peak;
}

/** Steps that share a list of what was placed: short blocks only look at those they can meet. */
const BUCKET = 64;

/** Places blocks in the given order, each into the smallest gap that holds it, else above its neighbours. */
function place(intervals: readonly Interval[], order: readonly number[]): Packing {
  const offsets = new Array<number>(intervals.length).fill(0);
  // All kept sorted by offset, so neighbours come out in order.
  const everywhere: number[] = [];
  const buckets = new Map<number, number[]>();
  let total = 0;
  for (const index of order) {
    const { bytes, start, end } = intervals[index];
    const [first, last] = [Math.floor(start / BUCKET), Math.floor(end / BUCKET)];
    let best = -1;
    let bestGap = Number.POSITIVE_INFINITY;
    let top = 0;
    for (const other of first === last ? (buckets.get(first) ?? []) : everywhere) {
      const block = intervals[other];
      if (block.start > end || start > block.end) continue;
      const gap = offsets[other] - top;
      if (gap >= bytes && gap < bestGap) {
        best = top;
        bestGap = gap;
      }
      top = Math.max(top, offsets[other] + block.bytes);
    }
    const offset = best >= 0 ? best : top;
    offsets[index] = offset;
    total = Math.max(total, offset + bytes);
    insert(everywhere, index, offsets);
    for (let bucket = first; bucket <= last; bucket++) {
      const list = buckets.get(bucket) ?? [];
      buckets.set(bucket, list);
      insert(list, index, offsets);
    }
  }
  return { offsets, bytes: total };
}

/** Inserts a block after all that lie as low as it does. */
function insert(sorted: number[], index: number, offsets: readonly number[]): void {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (offsets[sorted[middle]] > offsets[index]) high = middle;
    else low = middle + 1;
  }
  sorted.splice(low, 0, index);
}
