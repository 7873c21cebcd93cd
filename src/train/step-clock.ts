import type { StepResult } from './engine.js';

/** Steps over which speed is averaged. */
const window = 20;

/** Means over the steps since they were last taken. */
export interface StepMeans extends StepResult {
  readonly imagesPerSecond: number;
  readonly dataWait: number;
}

/** Times steps: speed over the last ones for the display, means since the last line of metrics for the log. */
export class StepClock {
  private readonly recent: { ms: number; waitMs: number }[] = [];
  private sums = { steps: 0, loss: 0, gradientNorm: 0, ms: 0, waitMs: 0 };
  private at = performance.now();
  private waited: number;

  /** @param images per step. @param waitMs milliseconds waited for data so far, ever. */
  constructor(
    private readonly images: number,
    private readonly waitMs: () => number,
  ) {
    this.waited = waitMs();
  }

  /** The time until the next step counts from now: something else (validation) was going on. */
  restart(): void {
    this.at = performance.now();
    this.waited = this.waitMs();
  }

  /** A step has ended. */
  step(result: StepResult): { secondsPerStep: number; imagesPerSecond: number; dataWait: number } {
    const now = performance.now();
    const waited = this.waitMs();
    const entry = { ms: now - this.at, waitMs: waited - this.waited };
    this.at = now;
    this.waited = waited;
    this.recent.push(entry);
    if (this.recent.length > window) this.recent.shift();
    const { sums } = this;
    sums.steps++;
    sums.loss += result.loss;
    sums.gradientNorm += result.gradientNorm;
    sums.ms += entry.ms;
    sums.waitMs += entry.waitMs;
    const ms = this.recent.reduce((sum, each) => sum + each.ms, 0);
    return {
      secondsPerStep: ms / 1000 / this.recent.length,
      ...this.rates(
        this.recent.length,
        ms,
        this.recent.reduce((sum, each) => sum + each.waitMs, 0),
      ),
    };
  }

  /** Means since the last call; `undefined` where there was no step. */
  takeMeans(): StepMeans | undefined {
    const { steps, loss, gradientNorm, ms, waitMs } = this.sums;
    if (steps === 0) return undefined;
    this.sums = { steps: 0, loss: 0, gradientNorm: 0, ms: 0, waitMs: 0 };
    return { loss: loss / steps, gradientNorm: gradientNorm / steps, ...this.rates(steps, ms, waitMs) };
  }

  private rates(steps: number, ms: number, waitMs: number) {
    return {
      imagesPerSecond: ms > 0 ? (1000 * steps * this.images) / ms : 0,
      dataWait: ms > 0 ? Math.min(1, waitMs / ms) : 0,
    };
  }
}
