import type { LeftOutResult } from '../train/leaveOut.js';
import { meanAndWorst } from '../train/leaveOut.js';
import { formatDuration, formatScore } from './format.js';
import { markdownTable } from './table.js';

/** Scores on what was left out as Markdown: one row a part, then IoU per class. */
export function drivesMarkdown(
  results: readonly LeftOutResult[],
  classes: readonly string[],
  about: string,
): string {
  const { mean, worst } = meanAndWorst(results);
  return [
    '# Trained without, scored on',
    '',
    about,
    '',
    `**Mean ${formatScore(mean)} %, worst ${formatScore(worst)} % mIoU.**`,
    '',
    ...markdownTable(
      ['left out', 'images', 'mIoU %', 'pixels %', 'steps', 'training time'],
      results.map(({ part, images, miou, pixelAccuracy, steps, seconds }) => [
        part,
        String(images),
        formatScore(miou),
        formatScore(pixelAccuracy),
        String(steps),
        formatDuration(seconds),
      ]),
    ),
    '',
    '## IoU per class, %',
    '',
    ...markdownTable(
      ['class', ...results.map(({ part }) => part)],
      classes.map((name, i) => [name, ...results.map(({ classIou }) => formatScore(classIou[i]))]),
    ),
    '',
  ].join('\n');
}
