import * as v from 'valibot';

/** A line of `metrics.jsonl`: the mean over the steps since the line before. */
export interface StepMetrics {
  readonly type: 'step';
  /** From 0. */
  readonly epoch: number;
  /** Optimiser steps done. */
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly imagesPerSecond: number;
  /** Share of the time spent waiting for data, 0 to 1. */
  readonly dataWait: number;
  /** Resident memory of the process in bytes; a browser does not tell. */
  readonly rssBytes?: number;
}

/** A line of `metrics.jsonl`: one validation. Scores that do not exist are null. */
export interface ValidationMetrics {
  readonly type: 'validation';
  readonly epoch: number;
  readonly step: number;
  readonly miou: number | null;
  readonly pixelAccuracy: number | null;
  readonly classIou: readonly (number | null)[];
  readonly seconds: number;
}

export type Metrics = StepMetrics | ValidationMetrics;

const finite = v.pipe(v.number(), v.finite());
const optional = v.nullable(finite);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const lineSchema = v.variant('type', [
  v.object({
    type: v.literal('step'),
    epoch: count,
    step: count,
    loss: finite,
    learningRate: finite,
    gradientNorm: finite,
    imagesPerSecond: finite,
    dataWait: finite,
    rssBytes: v.optional(finite),
  }),
  v.object({
    type: v.literal('validation'),
    epoch: count,
    step: count,
    miou: optional,
    pixelAccuracy: optional,
    classIou: v.array(optional),
    seconds: finite,
  }),
]);

/** A line of metrics; undefined for what is none. */
export function parseMetrics(line: string): Metrics | undefined {
  try {
    return v.parse(lineSchema, JSON.parse(line));
  } catch {
    return undefined;
  }
}
