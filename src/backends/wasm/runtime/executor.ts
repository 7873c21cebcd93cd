import { MemoryError } from '../../../errors.js';
import type { Plan, Slot } from '../../../graph/planned.js';
import type { Phase } from '../../../ir/graph.js';
import { sizeOf } from '../../../ir/value.js';
import type { Executor } from '../../backend.js';
import { densely } from '../../dense.js';
import type { Program } from '../program.js';
import { arenaBase, pixelsOf } from '../stage.js';
import { Alone } from './alone.js';
import type { Blocks } from './blocks.js';
import type { AskLargePages, Hand } from './host.js';
import type { Crew } from './threads.js';
import { Pool } from './threads.js';

type Data = Float32Array | Uint8Array;

const pageBytes = 65536;
/** 4 GiB: what 32-bit addresses reach. */
const mostPages = 65536;

/** A plan in shared memory with the threads that run it. */
export class WasmExecutor implements Executor {
  private readonly memory: WebAssembly.Memory;
  private readonly pool: Crew;

  constructor(
    readonly plan: Plan,
    private readonly program: Program,
    module: WebAssembly.Module,
    blocks: Blocks,
    threads: number,
    ask?: AskLargePages,
    /** Starts a worker thread; without it, the caller's thread does the work. */
    start?: () => Hand,
    mostSpares = threads,
  ) {
    this.memory = allocate(program.localsBase + threads * program.localBytes);
    ask?.(this.memory);
    new Int32Array(this.memory.buffer, program.argsBase, program.args.length).set(program.args);
    this.pool = start
      ? new Pool(module, blocks, this.memory, program, threads, start, mostSpares)
      : new Alone(module, blocks, this.memory, program);
  }

  get allocatedBytes(): number {
    return this.memory.buffer.byteLength;
  }

  write(name: string, data: Data, at = 0): void {
    const slot = this.slot(name);
    const kind = slot.dtype === 'f32' ? 'Float32Array' : 'Uint8Array';
    if (data instanceof Float32Array !== (slot.dtype === 'f32')) {
      throw new Error(`${name}: expected a ${kind}`);
    }
    if (at < 0 || at + data.length > sizeOf(slot.shape)) {
      throw new Error(`${name}: ${data.length} elements at ${at} do not fit in ${sizeOf(slot.shape)}`);
    }
    const { view, channels, stride } = this.access(slot);
    if (stride === channels) {
      view.set(data, at);
      return;
    }
    for (let i = 0; i < data.length; ) {
      const channel = (at + i) % channels;
      const pixel = (at + i - channel) / channels;
      const count = Math.min(channels - channel, data.length - i);
      view.set(data.subarray(i, i + count), pixel * stride + channel);
      i += count;
    }
  }

  async read(name: string, into?: Data): Promise<Data> {
    const slot = this.slot(name);
    return densely(slot, this.access(slot).view, into);
  }

  async run(...phases: Phase[]): Promise<void> {
    await this.pool.run(phases);
  }

  async profile(...phases: Phase[]): Promise<Float64Array> {
    const perStep = (await this.pool.run(phases, true))!;
    const perCall = new Float64Array(this.plan.calls.length);
    const flopsOf = (calls: readonly number[]) => calls.reduce((sum, i) => sum + this.plan.calls[i].flops, 0);
    for (const [i, { calls }] of this.program.steps.entries()) {
      // Calls that run as one share its time as they share its work.
      for (const call of calls) {
        perCall[call] +=
          calls.length === 1 ? perStep[i] : (perStep[i] * this.plan.calls[call].flops) / flopsOf(calls);
      }
    }
    const asked = this.plan.calls.flatMap(({ phase }, i) => (phases.includes(phase) ? [i] : []));
    return Float64Array.from(asked, (i) => perCall[i]);
  }

  async dispose(): Promise<void> {
    await this.pool.dispose();
  }

  private slot(name: string): Slot {
    const slot = this.plan.slots[name];
    if (!slot) throw new Error(`the plan has no slot '${name}'`);
    return slot;
  }

  /** The memory from a slot's first to its last element. */
  private access(slot: Slot): { view: Data; channels: number; stride: number } {
    const channels = slot.shape[3];
    const length = (pixelsOf(slot) - 1) * slot.pixelStride + channels;
    const Elements = slot.dtype === 'f32' ? Float32Array : Uint8Array;
    const view = new Elements(this.memory.buffer, arenaBase + slot.offset, length);
    return { view, channels, stride: slot.pixelStride };
  }
}

/** Address space only: pages that nothing touches cost nothing. */
function allocate(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / pageBytes);
  const advice = 'lower `batch` or the image size, or choose another `policy`';
  const needed = `the CPU backend needs ${Math.ceil(bytes / 2 ** 20)} MiB`;
  if (pages > mostPages) {
    throw new MemoryError(`${needed}, but can address 4096 MiB: ${advice}`, bytes, mostPages * pageBytes);
  }
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch {
    throw new MemoryError(`${needed}, which this machine cannot give: ${advice}`, bytes);
  }
}
