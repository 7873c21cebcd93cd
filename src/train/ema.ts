import type { Executor } from '../backends/backend.js';
import type { Slot } from '../graph/planned.js';
import { sizeOf } from '../ir/value.js';
import type { Tensors } from '../model/format.js';
import { averageSlots } from '../optimizers/update.js';

/** A tensor of a model, and where it begins in the average of its kind. */
interface Part {
  readonly name: string;
  readonly slot: Slot;
  readonly flat: string;
  readonly start: number;
}

/**
 * Exponential moving average of weights and running statistics, part of the plan's phase `update`:
 * `average = d·average + (1 − d)·weights` with `d = min(decay, (1 + t)/(10 + t))`, t updates so far, so that the
 * first steps do not weigh for ever.
 */
export class WeightAverage {
  /** Updates that the average holds. */
  updates = 0;
  private readonly parts: readonly Part[];

  /** @param model the tensors of the model by name. @throws RangeError for a decay outside of [0, 1). */
  constructor(
    private readonly executor: Executor,
    readonly decay: number,
    model: ReadonlyMap<string, Slot>,
  ) {
    if (!(decay >= 0 && decay < 1)) throw new RangeError(`an EMA decay is in [0, 1), not ${decay}`);
    const { slots } = executor.plan;
    if (!slots[averageSlots.decay]) throw new Error('the plan keeps no average of the weights');
    this.parts = [...model].map(([name, slot]) => {
      const [whole, flat] =
        slot.role === 'param' ? [slots.params, averageSlots.params] : [slots.states, averageSlots.states];
      return { name, slot, flat, start: (slot.offset - whole.offset) / 4 };
    });
  }

  /** Before the phase `update` runs. */
  prepare(): void {
    const decay = Math.min(this.decay, (1 + this.updates) / (10 + this.updates));
    this.executor.write(averageSlots.decay, Float32Array.of(decay));
  }

  /** Begins with these tensors. */
  write(tensors: Tensors, updates: number): void {
    for (const { name, flat, start } of this.parts) {
      this.executor.write(flat, tensors.get(name)!.data, start);
    }
    this.updates = updates;
  }

  /** Copies of the averaged tensors. */
  async read(): Promise<Tensors> {
    const names = [...new Set(this.parts.map(({ flat }) => flat))];
    const data = await Promise.all(names.map((name) => this.executor.read(name)));
    const flats = new Map(names.map((name, i) => [name, data[i] as Float32Array]));
    return new Map(
      this.parts.map(({ name, slot: { shape }, flat, start }) => [
        name,
        { shape, data: flats.get(flat)!.slice(start, start + sizeOf(shape)) },
      ]),
    );
  }
}
