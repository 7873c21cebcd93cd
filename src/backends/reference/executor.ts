import type { Call, Plan, Slot } from '../../graph/planned.js';
import type { Phase } from '../../ir/graph.js';
import { sizeOf } from '../../ir/value.js';
import type { Executor } from '../backend.js';
import { hasHalf } from '../backend.js';
import { targetOf } from '../dense.js';
import type { Arena } from './arena.js';
import { View } from './arena.js';

/** Holds every f32 of the plan as float64; `writeFloat64` and `readFloat64` do not round. */
export class ReferenceExecutor implements Executor {
  readonly allocatedBytes: number;
  private readonly arena: Arena;

  constructor(
    readonly plan: Plan,
    private readonly runCall: (call: Call, arena: Arena) => void,
  ) {
    this.arena = {
      floats: new Float64Array(Math.ceil(plan.arenaBytes / 4)),
      halves: new Float64Array(hasHalf(plan) ? Math.ceil(plan.arenaBytes / 2) : 0),
      bytes: new Uint8Array(plan.arenaBytes),
    };
    this.allocatedBytes =
      this.arena.floats.byteLength + this.arena.halves.byteLength + this.arena.bytes.byteLength;
  }

  write(slot: string, data: Float32Array | Uint8Array, at = 0): void {
    this.put(slot, data, data instanceof Uint8Array ? 'u8' : 'f32', at);
  }

  writeFloat64(slot: string, data: Float64Array, at = 0): void {
    this.put(slot, data, 'f32', at);
  }

  async read(slot: string, into?: Float32Array | Uint8Array): Promise<Float32Array | Uint8Array> {
    const target = targetOf(this.slot(slot), into);
    target.set(this.readFloat64(slot));
    return target;
  }

  readFloat64(slot: string): Float64Array {
    return new View(this.arena, this.slot(slot)).dense();
  }

  async run(...phases: Phase[]): Promise<void> {
    for (const call of this.callsOf(phases)) this.runCall(call, this.arena);
  }

  async profile(...phases: Phase[]): Promise<Float64Array> {
    const milliseconds = this.callsOf(phases).map((call) => {
      const start = performance.now();
      this.runCall(call, this.arena);
      return performance.now() - start;
    });
    return Float64Array.from(milliseconds);
  }

  async dispose(): Promise<void> {}

  private callsOf(phases: readonly Phase[]): Call[] {
    return this.plan.calls.filter((call) => phases.includes(call.phase));
  }

  private slot(name: string): Slot {
    const slot = this.plan.slots[name];
    if (!slot) {
      throw new Error(`no slot '${name}' in the plan; it has ${Object.keys(this.plan.slots).join(', ')}`);
    }
    return slot;
  }

  private put(name: string, data: ArrayLike<number>, dtype: Slot['dtype'], at: number): void {
    const slot = this.slot(name);
    const size = sizeOf(slot.shape);
    if (dtype !== slot.dtype) throw new Error(`slot '${name}' holds ${slot.dtype}, not ${dtype}`);
    if (at < 0 || at + data.length > size) {
      throw new Error(`slot '${name}' has ${size} elements; got ${data.length} from element ${at}`);
    }
    new View(this.arena, slot).assign(data, at);
  }
}
