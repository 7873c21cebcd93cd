import * as Plot from '@observablehq/plot';
import { renderChart } from './chart.js';
import { formatBytes, formatDuration, formatRate, formatScore } from './format.js';
import type { PartResult } from './studyPart.js';
import { markdownTable } from './table.js';

const size = ({ height, width }: PartResult): string => `${height}×${width}`;

/** The cells of the table, titles first. */
export function studyRows(results: readonly PartResult[]): { titles: string[]; rows: string[][] } {
  return {
    titles: [
      'trained on',
      'image',
      'iterations',
      'mIoU %',
      'mIoU %, input resized',
      'pixels %',
      'training time',
      'speed',
      'memory of a step',
    ],
    rows: results.map((result) => [
      result.part,
      size(result),
      String(result.iterations),
      formatScore(result.miou),
      formatScore(result.resizedMiou),
      formatScore(result.pixelAccuracy),
      formatDuration(result.trainingSeconds),
      formatRate(result.imagesPerSecond),
      formatBytes(result.arenaBytes),
    ]),
  };
}

/** The study as Markdown: the table, IoU per class, and how it was made. */
export function studyMarkdown(results: readonly PartResult[], about: readonly string[]): string {
  const { titles, rows } = studyRows(results);
  const classes = Object.keys(results[0]?.classIou ?? {});
  return [
    '# Full resolution, crop or resize',
    '',
    ...about,
    '',
    ...markdownTable(titles, rows),
    '',
    '![mIoU by training size](resolution.svg)',
    '',
    '![Training loss of each run](resolution-loss.svg)',
    '',
    '## IoU per class, %',
    '',
    ...markdownTable(
      ['class', ...results.map(({ part }) => part)],
      classes.map((name) => [name, ...results.map(({ classIou }) => formatScore(classIou[name]))]),
    ),
    '',
  ].join('\n');
}

/** mIoU at full resolution of each training as an SVG of its own; resized input as an outline. */
export function studyChart(results: readonly PartResult[]): string {
  const bars = results.map((result) => ({
    name: `${result.part}, ${size(result)}`,
    miou: 100 * (result.miou ?? 0),
    text: formatScore(result.miou),
  }));
  const resized = results.flatMap((result) =>
    typeof result.resizedMiou === 'number'
      ? [{ name: `${result.part}, ${size(result)}`, miou: 100 * result.resizedMiou }]
      : [],
  );
  const highest = Math.max(1, ...[...bars, ...resized].map(({ miou }) => miou));
  return renderChart(
    {
      ariaLabel: 'mIoU at full resolution by training size',
      width: 520,
      height: 90 + 40 * bars.length,
      marginLeft: 140,
      marginRight: 48,
      x: {
        label: 'mIoU at full resolution, %',
        domain: [0, Math.min(100, 5 * Math.ceil(highest / 5))],
        ticks: 5,
        grid: true,
      },
      y: { label: null, domain: bars.map(({ name }) => name), padding: 0.35, tickSize: 0 },
      marks: [
        Plot.barX(bars, { x: 'miou', y: 'name', fill: 'var(--accent)', fillOpacity: 0.85, rx: 2 }),
        Plot.tickX(resized, {
          x: 'miou',
          y: 'name',
          stroke: 'var(--accent-2)',
          strokeWidth: 3,
          title: ({ miou }: { miou: number }) => `input resized as in training: ${miou.toFixed(1)} %`,
        }),
        // Inside its own bar: behind the mark of the resized input it would be read as that one's value.
        Plot.text(bars, {
          ...{ x: 0, y: 'name', text: 'text', dx: 6, textAnchor: 'start', fontWeight: 600 },
          ...{ fill: 'white', stroke: 'var(--accent)', strokeWidth: 3 },
        }),
        Plot.text(resized, {
          ...{ x: 'miou', y: 'name', dx: 6, textAnchor: 'start', fontWeight: 600, fill: 'var(--accent-2)' },
          text: ({ miou }: { miou: number }) => miou.toFixed(1),
        }),
        ...(resized.length > 0
          ? [
              Plot.text(['▎input resized as in training'], {
                frameAnchor: 'top-right',
                dy: -14,
                fill: 'var(--accent-2)',
              }),
            ]
          : []),
      ],
    },
    { standalone: true },
  );
}
