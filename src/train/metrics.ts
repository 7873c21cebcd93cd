import { promises as fs } from 'node:fs';
import * as v from 'valibot';
import { reason, unwritable } from '../data/files.js';
import { UserError } from '../errors.js';

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
  /** Resident memory of the process in bytes. */
  readonly rssBytes: number;
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

/** Appends to `metrics.jsonl`, one JSON object a line. */
export class MetricsFile {
  private constructor(
    private readonly file: string,
    private readonly handle: fs.FileHandle,
    private length: number,
  ) {}

  /** Opens the file and cuts it to `bytes`, what it held at the checkpoint that a run goes on from (0: a new run). */
  static async open(file: string, bytes: number): Promise<MetricsFile> {
    try {
      const handle = await fs.open(file, 'a+');
      // A file shorter than the checkpoint knew may end in half a line, which goes too.
      const keep = (await handle.readFile()).subarray(0, bytes).lastIndexOf('\n') + 1;
      await handle.truncate(keep);
      return new MetricsFile(file, handle, keep);
    } catch (error) {
      throw unwritable(file, error);
    }
  }

  async append(line: Metrics): Promise<void> {
    const text = Buffer.from(`${JSON.stringify(line)}\n`);
    await this.handle.appendFile(text).catch((error) => this.fail(error));
    this.length += text.length;
  }

  /** Makes everything appended survive a power cut. @returns the file's length in bytes. */
  async sync(): Promise<number> {
    await this.handle.datasync().catch((error) => this.fail(error));
    return this.length;
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  private fail(error: unknown): never {
    throw unwritable(this.file, error);
  }
}

/**
 * Reads `metrics.jsonl`; the last line may be incomplete where the run was killed while writing it.
 * @throws UserError naming the file and line of anything else that is no metrics line.
 */
export async function readMetrics(file: string): Promise<Metrics[]> {
  let text: string;
  try {
    text = await fs.readFile(file, 'utf8');
  } catch (error) {
    throw new UserError(`${file}: cannot be read (${reason(error)})`);
  }
  const lines = text.split('\n');
  const metrics: Metrics[] = [];
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const parsed = parse(line);
    if (parsed) metrics.push(parsed);
    else if (i < lines.length - 1) {
      throw new UserError(`${file}: line ${i + 1} is no metrics line; remove it, or the file, and try again`);
    }
  }
  return metrics;
}

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
    rssBytes: finite,
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

function parse(line: string): Metrics | undefined {
  try {
    return v.parse(lineSchema, JSON.parse(line));
  } catch {
    return undefined;
  }
}
