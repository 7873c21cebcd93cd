import * as Plot from '@observablehq/plot';
import { renderChart } from './chart.js';

/** A network in a chart of accuracy over speed. */
export interface ScatterPoint {
  readonly title: string;
  readonly fps: number;
  /** Percent. */
  readonly miou: number;
  readonly parameters: number;
  /** Whether the mIoU was measured with this program's own model, or is the paper's. */
  readonly own: boolean;
}

const frame = { width: 640, height: 420, left: 52, right: 24, top: 44, bottom: 44 } as const;
const letterWidth = 6.6;
const letterHeight = 13;

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Accuracy over speed (Figure 1 of the paper) as an SVG of its own: the area of a point is its parameters, each has its
 * name beside it where no other name or point is, whole within the frame. The legend names both kinds of points.
 */
export function scatterChart(points: readonly ScatterPoint[]): string {
  const x = logScale(points.map(({ fps }) => fps));
  const y = linearScale(points.map(({ miou }) => miou));
  const mostParameters = Math.max(1, ...points.map(({ parameters }) => parameters));
  const radius = ({ parameters }: ScatterPoint) => 3 + 18 * Math.sqrt(parameters / mostParameters);
  const labels = placeLabels(
    points.map((point) => ({ point, x: x.at(point.fps), y: y.at(point.miou), radius: radius(point) })),
  );
  const fill = ({ own }: { own: boolean }) => (own ? 'var(--accent)' : 'var(--soft)');
  const kinds = [
    ...(points.some(({ own }) => own) ? [{ own: true, text: 'mIoU of a model given' }] : []),
    ...(points.some(({ own }) => !own)
      ? [{ own: false, text: 'mIoU of its own paper, Cityscapes test' }]
      : []),
  ].map((kind, i) => ({ ...kind, px: frame.left + 44 + 180 * i }));
  return renderChart(
    {
      ariaLabel: 'mIoU over frames per second',
      width: frame.width,
      height: frame.height,
      marginLeft: frame.left,
      marginRight: frame.right,
      marginTop: frame.top,
      marginBottom: frame.bottom,
      x: {
        type: 'log',
        domain: x.domain,
        ticks: x.ticks,
        tickFormat: (value: number) => String(value),
        label: 'frames per second on this machine',
        grid: true,
      },
      y: { domain: y.domain, ticks: 6, label: 'mIoU, %', grid: true },
      color: { type: 'identity' },
      marks: [
        ...points.map((point) =>
          Plot.dot([point], {
            ...{ x: 'fps', y: 'miou', r: radius(point) },
            ...{ fill: fill(point), fillOpacity: 0.6, stroke: fill(point) },
          }),
        ),
        ...labels.map(({ point, dx, dy, anchor }) =>
          Plot.text([point], { x: 'fps', y: 'miou', text: 'title', dx, dy, textAnchor: anchor }),
        ),
        ...kinds.flatMap(({ px, text, own }) => [
          Plot.dot([text], {
            frameAnchor: 'top-left',
            dx: px - frame.left,
            dy: -26,
            r: 5,
            fill: fill({ own }),
          }),
          Plot.text([text], {
            text: (label: string) => label,
            ...{ frameAnchor: 'top-left', dx: px - frame.left + 10, dy: -32, textAnchor: 'start' },
          }),
        ]),
      ],
    },
    { standalone: true },
  );
}

/** A logarithmic axis with room around the values and round ticks, two at least. */
function logScale(values: readonly number[]) {
  const [low, high] = [Math.min(...values) / 1.6, Math.max(...values) * 1.6];
  const powers = Array.from({ length: 12 }, (_, i) => 10 ** (i - 5));
  const round = (steps: readonly number[]) =>
    powers.flatMap((power) => steps.map((step) => Number((step * power).toPrecision(3))));
  const within = (steps: readonly number[]) => round(steps).filter((tick) => tick >= low && tick <= high);
  const ticks = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]
    .map(within)
    .find(({ length }) => length >= 4);
  const room = frame.width - frame.left - frame.right;
  return {
    domain: [low, high] as [number, number],
    ticks: ticks ?? within([1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8]),
    at: (value: number) => frame.left + (room * Math.log(value / low)) / Math.log(high / low),
  };
}

function linearScale(values: readonly number[]) {
  const [low, high] = [
    Math.max(0, 5 * Math.floor((Math.min(...values) - 4) / 5)),
    Math.min(100, 5 * Math.ceil((Math.max(...values) + 4) / 5)),
  ];
  const room = frame.height - frame.top - frame.bottom;
  return {
    domain: [low, high] as [number, number],
    at: (value: number) => frame.top + (room * (high - value)) / (high - low),
  };
}

/** A place for each name: above, below, right or left of its point, where it covers nothing and stays in the frame. */
function placeLabels(
  spots: readonly { point: ScatterPoint; x: number; y: number; radius: number }[],
): { point: ScatterPoint; dx: number; dy: number; anchor: 'start' | 'middle' | 'end' }[] {
  const taken: Box[] = spots.map(({ x, y, radius }) => ({
    ...{ x: x - radius, y: y - radius },
    ...{ width: 2 * radius, height: 2 * radius },
  }));
  return spots.map(({ point, x, y, radius }) => {
    const width = letterWidth * point.title.length;
    const tries = [1, 1.8, 2.8].flatMap((far) => {
      const gap = 4 + far * 5;
      return [
        { anchor: 'middle', dx: 0, dy: -radius - gap },
        { anchor: 'middle', dx: 0, dy: radius + gap },
        { anchor: 'start', dx: radius + gap, dy: 0 },
        { anchor: 'end', dx: -radius - gap, dy: 0 },
        { anchor: 'start', dx: radius, dy: -radius - gap },
        { anchor: 'end', dx: -radius, dy: -radius - gap },
        { anchor: 'start', dx: radius, dy: radius + gap },
        { anchor: 'end', dx: -radius, dy: radius + gap },
      ] as const;
    });
    const shift = { start: 0, middle: -width / 2, end: -width };
    const boxOf = ({ anchor, dx, dy }: (typeof tries)[number]): Box => ({
      x: x + dx + shift[anchor],
      y: y + dy - letterHeight / 2,
      ...{ width, height: letterHeight },
    });
    const cost = (place: (typeof tries)[number]) => {
      const box = boxOf(place);
      const outside = box.x < 2 || box.x + box.width > frame.width - 2 || box.y < frame.top - 8;
      return taken.reduce((sum, other) => sum + shared(box, other), outside ? 1e6 : 0);
    };
    const best = tries.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    taken.push(boxOf(best));
    return { point, ...best };
  });
}

/** Area that two boxes have in common. */
function shared(a: Box, b: Box): number {
  const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return wide > 0 && high > 0 ? wide * high : 0;
}
