import { promises as fs } from 'node:fs';
import { reason, unwritable } from '../data/files.js';
import { UserError } from '../errors.js';
import { type Metrics, parseMetrics } from './metricsLine.js';

export type { Metrics, StepMetrics, ValidationMetrics } from './metricsLine.js';

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
    const parsed = parseMetrics(line);
    if (parsed) metrics.push(parsed);
    else if (i < lines.length - 1) {
      throw new UserError(`${file}: line ${i + 1} is no metrics line; remove it, or the file, and try again`);
    }
  }
  return metrics;
}
