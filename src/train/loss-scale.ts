import type { Executor } from '../backends/backend.js';
import { LOSS_SCALE } from '../compile.js';

/** Steps without overflow after which a larger scale is tried. */
const PATIENCE = 2000;
const MOST = 2 ** 24;

/** The scale of the gradient on its way back, and the finite steps since it last changed. */
export interface LossScaleState {
  readonly scale: number;
  readonly steps: number;
}

/**
 * Loss scaling of a float16 training plan: halved where a gradient overflows, doubled after 2000 steps without. Always
 * a power of two, so that multiplying and dividing round nothing.
 */
export class LossScale {
  private current: LossScaleState = { scale: LOSS_SCALE, steps: 0 };

  constructor(private readonly executor: Executor) {
    this.state = this.current;
  }

  get state(): LossScaleState {
    return this.current;
  }
  set state(state: LossScaleState) {
    this.current = state;
    this.executor.write('lossScale', Float32Array.of(state.scale));
  }

  /** After an overflow. @returns false where no smaller scale would help. */
  reduce(): boolean {
    if (this.current.scale <= 1) return false;
    this.state = { scale: this.current.scale / 2, steps: 0 };
    return true;
  }

  /** After a step whose gradient was finite. */
  keep(): void {
    const { scale, steps } = this.current;
    if (steps + 1 < PATIENCE || scale >= MOST) this.current = { scale, steps: steps + 1 };
    else this.state = { scale: 2 * scale, steps: 0 };
  }
}
