import * as v from 'valibot';

const number = v.pipe(v.number(), v.finite());
const score = v.nullable(number);

/** What a network was trained on in a resolution study. */
export const partNames = ['full', 'crop', 'resize'] as const;
export type Part = (typeof partNames)[number];

export const partSchema = v.object({
  part: v.picklist(partNames),
  /** Pixels of a training image. */
  height: number,
  width: number,
  iterations: number,
  /** With full-resolution images as input. */
  miou: score,
  pixelAccuracy: score,
  /** Of `resize` only: images resized as in training, labels scaled back and scored at full resolution. */
  resizedMiou: v.exactOptional(score),
  classIou: v.record(v.string(), score),
  trainingSeconds: number,
  imagesPerSecond: number,
  /** The plan of a training step. */
  arenaBytes: number,
});
/** One of the trainings of a resolution study, scored at full resolution. */
export type PartResult = v.InferOutput<typeof partSchema>;
