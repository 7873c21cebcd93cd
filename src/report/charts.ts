import * as Plot from '@observablehq/plot';
import type { MemoryPoint } from '../graph/planned.js';
import { curves, renderChart } from './chart.js';
import type { ClassScore, LossPoint, ScorePoint } from './data.js';

/** Most points a curve is drawn with; more would only make the page heavy. */
const mostPoints = 600;

/** Loss over epochs: each step faint, the running mean over a twentieth of the run on top. */
export function lossChart(points: readonly LossPoint[]): string {
  const shown = thin(points);
  const window = Math.max(1, Math.round(shown.length / 20));
  const highest = quantile(
    shown.map(({ loss }) => loss),
    0.98,
  );
  const top = highest * 1.05;
  // The first steps are often far above the rest: where they leave the frame, and how far, is said.
  const above = shown.filter(({ loss }) => loss > top);
  const peak = above.reduce((most, { loss }) => Math.max(most, loss), 0);
  return renderChart({
    ariaLabel: 'Training loss over epochs',
    x: { label: 'epoch', ...ticksOfEpochs(points) },
    y: { label: 'loss', grid: true, zero: true, domain: [0, top], ticks: 5, clamp: true },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      Plot.lineY(shown, {
        x: 'epoch',
        y: 'loss',
        stroke: 'var(--accent)',
        strokeOpacity: 0.3,
        strokeWidth: 1,
      }),
      Plot.lineY(
        shown,
        Plot.windowY(
          { k: window, anchor: 'middle', strict: false },
          { x: 'epoch', y: 'loss', stroke: 'var(--accent)', strokeWidth: 2.2 },
        ),
      ),
      Plot.dot(above, { x: 'epoch', y: () => top, symbol: 'triangle', r: 3, fill: 'var(--accent-2)' }),
      ...(above.length > 0
        ? [
            Plot.text([above[0]], {
              ...{ x: 'epoch', y: () => top, dx: 8, dy: -9, textAnchor: 'start', fill: 'var(--accent-2)' },
              text: () => `▲ above the frame, up to ${peak.toPrecision(3)}`,
            }),
          ]
        : []),
    ],
  });
}

/** Validation mIoU over epochs in percent; the best is named. */
export function scoreChart(points: readonly ScorePoint[]): string {
  const percent = points.map(({ epoch, miou }) => ({ epoch, miou: 100 * miou }));
  const best = percent.reduce((a, b) => (b.miou > a.miou ? b : a));
  const top = Math.min(100, Math.ceil((best.miou + 8) / 10) * 10);
  const anchor = best.epoch > percent[percent.length - 1].epoch * 0.7 ? 'end' : 'start';
  return renderChart({
    ariaLabel: 'Validation mIoU over epochs',
    x: { label: 'epoch', ...ticksOfEpochs(points) },
    y: { label: 'mIoU, %', grid: true, domain: [0, top], ticks: 5 },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      Plot.lineY(percent, { x: 'epoch', y: 'miou', stroke: 'var(--accent-3)', strokeWidth: 2.2 }),
      Plot.dot(percent, {
        x: 'epoch',
        y: 'miou',
        fill: 'var(--accent-3)',
        r: percent.length > 40 ? 1.5 : 3,
        title: ({ epoch, miou }: { epoch: number; miou: number }) => `epoch ${epoch}: ${miou.toFixed(1)} %`,
      }),
      Plot.text([best], {
        x: 'epoch',
        y: 'miou',
        text: ({ miou }: { miou: number }) => miou.toFixed(1),
        fontWeight: 600,
        textAnchor: anchor,
        dy: -12,
      }),
    ],
  });
}

/** A colour for each run: the page's own, then others spread around the circle, none twice among the first twenty. */
export const runColour = (i: number): string =>
  ['var(--accent)', 'var(--accent-2)', 'var(--accent-3)', 'var(--soft)'][i] ??
  `hsl(${Math.round((i * 137.5) % 360)} 55% ${i % 2 ? 45 : 58}%)`;

/** Validation mIoU of several runs over epochs, each curve named at its end. */
export function runsChart(
  runs: readonly { readonly name: string; readonly scores: readonly ScorePoint[] }[],
): string {
  const points = runs.flatMap(({ name, scores }, i) =>
    scores.map(({ epoch, miou }) => ({ name, epoch, miou: 100 * miou, colour: runColour(i) })),
  );
  return renderChart({
    ariaLabel: 'Validation mIoU of the runs over epochs',
    marginRight: 90,
    x: { label: 'epoch', ...ticksOfEpochs(points) },
    y: { label: 'mIoU, %', grid: true, zero: true, ticks: 5 },
    color: { type: 'identity' },
    marks: curves(points, 'miou'),
  });
}

/**
 * IoU per class in percent as bars, in the order of the class table, with the colours of the label images.
 * @param room space for this many bars, so that charts side by side are of equal height.
 */
export function classChart(classes: readonly ClassScore[], room = classes.length): string {
  const rows = classes.map(({ name, colour, iou }) => ({
    name,
    colour: `rgb(${colour.join(',')})`,
    iou: 100 * (iou ?? 0),
    text: iou === undefined ? 'absent' : (100 * iou).toFixed(1),
  }));
  return renderChart({
    ariaLabel: 'IoU per class',
    height: 44 + 21 * room,
    marginLeft: 112,
    marginRight: 40,
    marginTop: 8,
    marginBottom: 36,
    x: { label: 'IoU, %', domain: [0, 100], ticks: 5, grid: true },
    y: {
      label: null,
      domain: rows.map(({ name }) => name),
      range: [8, 8 + 21 * rows.length],
      padding: 0.28,
      tickSize: 0,
      tickPadding: 20,
    },
    marks: [
      Plot.barX(rows, { x: 'iou', y: 'name', fill: 'var(--accent)', fillOpacity: 0.85, rx: 2 }),
      Plot.dot(rows, {
        y: 'name',
        frameAnchor: 'left',
        dx: -11,
        r: 5.5,
        symbol: 'square',
        fill: 'colour',
        stroke: 'currentColor',
        strokeOpacity: 0.35,
      }),
      Plot.text(rows, { x: 'iou', y: 'name', text: 'text', dx: 5, textAnchor: 'start' }),
    ],
    color: { type: 'identity' },
  });
}

/** Of the memory chart, and its legend. */
export const phaseColours: Readonly<Record<MemoryPoint['phase'], string>> = {
  prepare: 'var(--soft)',
  forward: 'var(--accent)',
  backward: 'var(--accent-2)',
  update: 'var(--accent-3)',
};

/** Bytes of the arena in use during each call of a step, and the size of the arena. */
export function memoryChart(timeline: readonly MemoryPoint[], arenaBytes: number): string {
  const mib = (bytes: number) => bytes / 2 ** 20;
  const bars = timeline.map((point, i) => ({ ...point, from: i + 0.5, to: i + 1.5, mib: mib(point.bytes) }));
  const phases = [...new Set(timeline.map(({ phase }) => phase))].map((phase) => {
    const own = bars.filter((bar) => bar.phase === phase);
    return { phase, middle: (own[0].from + own[own.length - 1].to) / 2, count: own.length };
  });
  return renderChart({
    ariaLabel: 'Arena in use over the calls of one step',
    marginTop: 26,
    x: { label: 'kernel call', domain: [0.5, timeline.length + 0.5], ticks: 6 },
    y: { label: 'MiB in use', grid: true, domain: [0, mib(arenaBytes) * 1.12], ticks: 5 },
    color: { type: 'identity' },
    marks: [
      Plot.rect(bars, {
        x1: 'from',
        x2: 'to',
        y1: 0,
        y2: 'mib',
        inset: -0.05,
        fill: ({ phase }: MemoryPoint) => phaseColours[phase],
        fillOpacity: 0.8,
        title: ({ label, mib: use }: { label: string; mib: number }) => `${label}: ${use.toFixed(1)} MiB`,
      }),
      Plot.ruleY([mib(arenaBytes)], { stroke: 'currentColor', strokeDasharray: '4 3', strokeOpacity: 0.7 }),
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      Plot.text(
        // A phase of a few calls has no room for its name.
        phases.filter(({ count }) => count > timeline.length / 10),
        {
          x: 'middle',
          frameAnchor: 'top',
          dy: -14,
          text: 'phase',
          fill: ({ phase }: { phase: MemoryPoint['phase'] }) => phaseColours[phase],
          fontWeight: 600,
        },
      ),
    ],
  });
}

/** Whole epochs only, at most about six marks. */
function ticksOfEpochs(points: readonly { readonly epoch: number }[]) {
  const last = Math.ceil(points.reduce((most, { epoch }) => Math.max(most, epoch), 1));
  const steps = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000];
  const step = steps.find((size) => last / size <= 7) ?? Math.ceil(last / 7);
  const ticks = Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => i * step);
  return { domain: [0, last] as [number, number], ticks, tickFormat: 'd' };
}

/** Means of equal runs of neighbours, so that at most `mostPoints` remain. */
function thin(points: readonly LossPoint[]): LossPoint[] {
  const group = Math.ceil(points.length / mostPoints);
  if (group <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / group) }, (_, i) => {
    const part = points.slice(i * group, (i + 1) * group);
    const mean = (of: (point: LossPoint) => number) => part.reduce((sum, p) => sum + of(p), 0) / part.length;
    return { epoch: mean(({ epoch }) => epoch), loss: mean(({ loss }) => loss) };
  });
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
