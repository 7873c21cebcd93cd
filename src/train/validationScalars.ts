import type { Scores } from '../eval/iou.js';

/** Scores as TensorBoard shows them, by tag. */
export function validationScalars(scores: Scores, names: readonly string[]): Record<string, number> {
  const all: [string, number | undefined][] = [
    ['val/mIoU', scores.miou],
    ['val/pixel accuracy', scores.pixelAccuracy],
    ...names.map((name, i): [string, number | undefined] => [`val IoU/${name}`, scores.classIou[i]]),
  ];
  return Object.fromEntries(all.filter((entry): entry is [string, number] => entry[1] !== undefined));
}
