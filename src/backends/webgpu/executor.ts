/// <reference types="@webgpu/types" />
import { MemoryError, UserError } from '../../errors.js';
import type { Plan, Slot } from '../../graph/planned.js';
import type { Phase } from '../../ir/graph.js';
import { sizeOf } from '../../ir/value.js';
import type { BackendOptions, Executor } from '../backend.js';
import { hasHalf, hasProducts } from '../backend.js';
import { densely, targetOf } from '../dense.js';
import type { FrameLook, FrameSource } from '../frame.js';
import type { Gpu } from './device.js';
import { bufferUsage, MAP_READ } from './device.js';
import type { BytesPlace, FrameShaders } from './frame.js';
import type { Lowering } from './lowering.js';
import type { CallSteps, Program } from './program.js';
import { compileProgram, encode } from './program.js';
import { Uploads } from './uploads.js';
import type { MemoryLimits } from './windows.js';
import { spanOf } from './windows.js';

/** Runs that may be queued before `run` waits for the oldest: the queue never empties, and never grows. */
const MAX_QUEUED = 2;
/** From this size on, bytes go through buffers of their own. */
const LARGE = 2 ** 18;

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** Runs a plan on one GPU. A run resolves when it is queued; reads wait for what was queued before them. */
export class WebGpuExecutor implements Executor {
  readonly queues = true;
  /** Whether they were done. */
  private readonly queued: Promise<boolean>[] = [];
  /** Readback buffers that are free. */
  private readonly staging: GPUBuffer[] = [];
  private stagingBytes = 0;
  /** Last content of u8 slots that were written from an element that does not start a word. */
  private readonly shadows = new Map<string, Uint8Array<ArrayBuffer>>();

  private readonly uploads: Uploads;
  private frames: FrameShaders | undefined;

  private constructor(
    readonly plan: Plan,
    private readonly gpu: Gpu,
    private readonly limits: MemoryLimits,
    private readonly buffers: readonly GPUBuffer[],
    private readonly program: Program,
  ) {
    this.uploads = new Uploads(gpu.device);
  }

  static async prepare(
    plan: Plan,
    gpu: Gpu,
    lowering: Lowering,
    limits: MemoryLimits = gpu.memory,
    onProgress?: BackendOptions['onProgress'],
  ): Promise<WebGpuExecutor> {
    if (hasHalf(plan) && !gpu.device.features.has('shader-f16')) {
      throw new UserError(`\`precision: 'f16'\`: ${gpu.name} has no shader-f16; use \`precision: 'f32'\``);
    }
    if (hasProducts(plan, 'i16')) {
      throw new UserError(
        "`precision: 'i16'`: GPUs have no kernels for it; use `precision: 'i8'`, f16 or f32, or `device: 'wasm'`",
      );
    }
    const arenaBytes = Math.max(256, Math.ceil(plan.arenaBytes / 256) * 256);
    const buffers = await allocate(gpu, arenaBytes, limits);
    try {
      const program = await compileProgram(gpu, plan, buffers, limits, arenaBytes, lowering, onProgress);
      return new WebGpuExecutor(plan, gpu, limits, buffers, program);
    } catch (error) {
      for (const buffer of buffers) buffer.destroy();
      throw error;
    }
  }

  get allocatedBytes(): number {
    const arena = this.buffers.reduce((sum, { size }) => sum + size, 0);
    return arena + this.stagingBytes + this.program.starts.size + (this.frames?.bytes ?? 0);
  }

  write(name: string, data: Float32Array | Uint8Array, at = 0): void {
    const slot = this.slot(name);
    const dtype = data instanceof Uint8Array ? 'u8' : 'f32';
    if (dtype !== slot.dtype) throw new Error(`slot '${name}' holds ${slot.dtype}, not ${dtype}`);
    if (at < 0 || at + data.length > sizeOf(slot.shape)) {
      throw new Error(
        `slot '${name}' has ${sizeOf(slot.shape)} elements; got ${data.length} from element ${at}`,
      );
    }
    if (slot.pixelStride !== slot.shape[3])
      throw new Error(`slot '${name}' is part of a wider tensor: read only`);
    if (data.length === 0) return;
    // The queue takes no shared memory (Dawn crashes on it), and batches are decoded into some.
    const own = data.buffer instanceof ArrayBuffer ? data : data.slice();
    const bytes = new Uint8Array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength);
    if (dtype === 'f32') this.writeBytes(slot.offset + 4 * at, bytes);
    else this.writeWords(name, slot, bytes, at);
  }

  /** The queue takes whole words: bytes beside the written ones come from the shadow of the slot. */
  private writeWords(name: string, slot: Slot, bytes: Uint8Array<ArrayBuffer>, at: number): void {
    if (at === 0 && bytes.length % 4 === 0 && !this.shadows.has(name)) {
      this.writeBytes(slot.offset, bytes);
      return;
    }
    let shadow = this.shadows.get(name);
    if (!shadow) {
      shadow = new Uint8Array(Math.ceil(sizeOf(slot.shape) / 4) * 4);
      this.shadows.set(name, shadow);
    }
    shadow.set(bytes, at);
    const begin = Math.floor(at / 4) * 4;
    this.writeBytes(slot.offset + begin, shadow.subarray(begin, Math.ceil((at + bytes.length) / 4) * 4));
  }

  private writeBytes(address: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length >= LARGE && this.uploads.take(bytes, this.cut(address, bytes.length))) return;
    this.flush();
    for (const { buffer, offset, from, size } of this.cut(address, bytes.length)) {
      this.gpu.device.queue.writeBuffer(buffer, offset, bytes, from, size);
    }
  }

  async read(name: string, into?: Float32Array | Uint8Array): Promise<Float32Array | Uint8Array> {
    this.gpu.check();
    const slot = this.slot(name);
    const target = targetOf(slot, into);
    const begin = Math.floor(slot.offset / 4) * 4;
    const bytes = Math.ceil((slot.offset + spanOf(slot) - begin) / 4) * 4;
    const staging = this.takeStaging(bytes);
    const encoder = this.encoder();
    for (const { buffer, offset, from, size } of this.cut(begin, bytes)) {
      encoder.copyBufferToBuffer(buffer, offset, staging, from, size);
    }
    this.submit(encoder);
    await this.map(staging, bytes);
    const mapped = staging.getMappedRange(0, bytes);
    const elements =
      slot.dtype === 'f32' ? new Float32Array(mapped) : new Uint8Array(mapped, slot.offset - begin);
    densely(slot, elements, target);
    staging.unmap();
    this.staging.push(staging);
    return target;
  }

  async run(...phases: Phase[]): Promise<void> {
    this.gpu.check();
    const encoder = this.encoder();
    const pass = encoder.beginComputePass();
    for (const { call, steps, once } of this.program.calls) {
      if (phases.includes('prepare')) encode(pass, once);
      if (phases.includes(call.phase)) encode(pass, steps);
    }
    pass.end();
    this.submit(encoder);
    const done = this.gpu.device.queue.onSubmittedWorkDone();
    this.queued.push(
      done.then(
        () => true,
        () => false,
      ),
    );
    if (this.queued.length > MAX_QUEUED && !(await this.queued.shift())) await this.gpu.checkSoon();
    this.gpu.check();
  }

  async show(source: FrameSource, look: FrameLook): Promise<void> {
    const { FrameShaders } = await import('./frame.js');
    const [, height, width] = this.slot('images').shape;
    this.frames ??= new FrameShaders(this.gpu.device, this.placeOf('images'), this.placeOf('prediction'), {
      height,
      width,
    });
    this.flush();
    await this.frames.show(source, look, () => this.run('forward'));
    this.gpu.check();
  }

  /** Where a slot lies. @throws UserError where that is in several buffers. */
  private placeOf(name: string): BytesPlace {
    const slot = this.slot(name);
    const size = sizeOf(slot.shape);
    const [place, ...rest] = this.cut(slot.offset, size);
    if (rest.length > 0)
      throw new UserError(`webgpu: ${this.gpu.name}: the picture is too large to be drawn there`);
    return { ...place, size };
  }

  async profile(...phases: Phase[]): Promise<Float64Array> {
    this.gpu.check();
    const { device } = this.gpu;
    if (!device.features.has('timestamp-query')) {
      throw new UserError(`webgpu: ${this.gpu.name} has no timestamp queries: kernels cannot be timed`);
    }
    const chosen = this.program.calls.filter(({ call }) => phases.includes(call.phase));
    const milliseconds: number[] = [];
    // A query set holds 4096 timestamps.
    for (let first = 0; first < chosen.length; first += 2048) {
      milliseconds.push(...(await this.time(chosen.slice(first, first + 2048))));
    }
    this.gpu.check();
    return Float64Array.from(milliseconds);
  }

  /** Each call in a pass of its own, with the GPU's time at both ends. */
  private async time(calls: readonly CallSteps[]): Promise<number[]> {
    const { device } = this.gpu;
    const count = 2 * calls.length;
    const querySet = device.createQuerySet({ type: 'timestamp', count });
    const resolved = device.createBuffer({
      size: 8 * count,
      usage: bufferUsage.queryResolve | bufferUsage.copySource,
    });
    const encoder = this.encoder();
    calls.forEach(({ steps }, i) => {
      const timestampWrites = {
        querySet,
        beginningOfPassWriteIndex: 2 * i,
        endOfPassWriteIndex: 2 * i + 1,
      };
      const pass = encoder.beginComputePass({ timestampWrites });
      encode(pass, steps);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    const staging = this.takeStaging(8 * count);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
    this.submit(encoder);
    await this.map(staging, 8 * count);
    const times = new BigInt64Array(staging.getMappedRange(0, 8 * count).slice(0));
    staging.unmap();
    this.staging.push(staging);
    querySet.destroy();
    resolved.destroy();
    return calls.map((_, i) => Number(times[2 * i + 1] - times[2 * i]) / 1e6);
  }

  async dispose(): Promise<void> {
    for (const buffer of [...this.buffers, ...this.staging, this.program.starts]) buffer.destroy();
    this.uploads.dispose();
    this.frames?.dispose();
  }

  /** A list of commands that begins with what was written. */
  private encoder(): GPUCommandEncoder {
    const encoder = this.gpu.device.createCommandEncoder();
    this.uploads.encode(encoder);
    return encoder;
  }

  private submit(encoder: GPUCommandEncoder): void {
    this.gpu.device.queue.submit([encoder.finish()]);
    this.uploads.release();
  }

  /** Puts what was written into the queue, so that what follows comes after it. */
  private flush(): void {
    if (!this.uploads.isEmpty) this.submit(this.encoder());
  }

  private slot(name: string): Slot {
    const slot = this.plan.slots[name];
    if (!slot) {
      throw new Error(`no slot '${name}' in the plan; it has ${Object.keys(this.plan.slots).join(', ')}`);
    }
    return slot;
  }

  /** Bytes `[address, address + length)` of the arena, buffer by buffer; `from`: bytes before. */
  private *cut(address: number, length: number) {
    const { bufferBytes } = this.limits;
    for (let from = 0; from < length; ) {
      const index = Math.floor((address + from) / bufferBytes);
      const offset = address + from - index * bufferBytes;
      const size = Math.min(length - from, bufferBytes - offset);
      yield { buffer: this.buffers[index], offset, from, size };
      from += size;
    }
  }

  private takeStaging(bytes: number): GPUBuffer {
    const i = this.staging.findIndex(({ size }) => size >= bytes && size <= 4 * bytes);
    if (i >= 0) return this.staging.splice(i, 1)[0];
    this.stagingBytes += bytes;
    return this.gpu.device.createBuffer({
      size: bytes,
      usage: bufferUsage.mapRead | bufferUsage.copyDestination,
    });
  }

  private async map(staging: GPUBuffer, bytes: number): Promise<void> {
    try {
      await staging.mapAsync(MAP_READ, 0, bytes);
    } catch (error) {
      await this.gpu.checkSoon();
      throw new UserError(`webgpu: ${this.gpu.name}: results cannot be read back: ${String(error)}`);
    }
    this.gpu.check();
  }
}

/** The arena as one buffer, or as several where it is larger than the device's largest. */
export async function allocate(gpu: Gpu, arenaBytes: number, limits: MemoryLimits): Promise<GPUBuffer[]> {
  const { device } = gpu;
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  const buffers: GPUBuffer[] = [];
  for (let at = 0; at < arenaBytes; at += limits.bufferBytes) {
    buffers.push(
      device.createBuffer({
        size: Math.min(limits.bufferBytes, arenaBytes - at),
        usage: bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyDestination,
      }),
    );
  }
  const errors = await Promise.all([device.popErrorScope(), device.popErrorScope()]).catch(async (error) => {
    await gpu.checkSoon();
    throw error;
  });
  if (errors.some((error) => error !== null)) {
    for (const buffer of buffers) buffer.destroy();
    throw new MemoryError(
      `webgpu: ${gpu.name} cannot allocate ${mebibytes(arenaBytes)}; use a smaller \`batch\` or image, or \`device: 'wasm'\``,
      arenaBytes,
    );
  }
  return buffers;
}
