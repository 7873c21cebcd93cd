/// <reference types="@webgpu/types" />
import { bufferUsage, MAP_WRITE } from './device.js';

/** Upload buffers at most: one for each run under way, and one that is filled. */
const MOST = 6;
/** Bytes of all of them at most. */
const MOST_BYTES = 2 ** 27;

interface Copy {
  readonly staging: GPUBuffer;
  readonly to: GPUBuffer;
  readonly offset: number;
  readonly from: number;
  readonly size: number;
}

/**
 * Large inputs on their way to the arena, through a few buffers that stay mapped: `queue.writeBuffer` takes fresh memory each
 * time, and for a picture of 1024×2048 four times as long. They are memory of the machine, not of the GPU.
 */
export class Uploads {
  /** Mapped, and not in use. */
  private readonly free: GPUBuffer[] = [];
  private readonly all = new Set<GPUBuffer>();
  private pending: Copy[] = [];
  private filled: GPUBuffer[] = [];
  private disposed = false;

  constructor(private readonly device: GPUDevice) {}

  get isEmpty(): boolean {
    return this.pending.length === 0;
  }

  /** Takes a copy of `bytes`, to be spread over `targets` before the next run; false where no buffer is free. */
  take(
    bytes: Uint8Array,
    targets: Iterable<{ buffer: GPUBuffer; offset: number; from: number; size: number }>,
  ): boolean {
    const staging = this.mapped(Math.ceil(bytes.length / 4) * 4);
    if (!staging) return false;
    new Uint8Array(staging.getMappedRange()).set(bytes);
    for (const { buffer, offset, from, size } of targets) {
      this.pending.push({ staging, to: buffer, offset, from, size });
    }
    staging.unmap();
    this.filled.push(staging);
    return true;
  }

  /** Encodes the copies of all that was taken. Call `release` once they are submitted. */
  encode(encoder: GPUCommandEncoder): void {
    for (const { staging, to, offset, from, size } of this.pending) {
      encoder.copyBufferToBuffer(staging, from, to, offset, size);
    }
    this.pending = [];
  }

  /** Maps the buffers again as soon as the queue is done with them. */
  release(): void {
    for (const staging of this.filled) {
      staging.mapAsync(MAP_WRITE).then(
        () => this.free.push(staging),
        // A lost device tells it elsewhere.
        () => this.all.delete(staging),
      );
    }
    this.filled = [];
  }

  dispose(): void {
    this.disposed = true;
    for (const buffer of this.all) buffer.destroy();
    this.all.clear();
  }

  private mapped(size: number): GPUBuffer | undefined {
    const i = this.free.findIndex((buffer) => buffer.size >= size && buffer.size <= 4 * size);
    if (i >= 0) return this.free.splice(i, 1)[0];
    const bytes = [...this.all].reduce((sum, { size }) => sum + size, 0);
    if (this.disposed || this.all.size >= MOST || bytes + size > MOST_BYTES) return undefined;
    const buffer = this.device.createBuffer({
      size,
      usage: bufferUsage.mapWrite | bufferUsage.copySource,
      mappedAtCreation: true,
    });
    this.all.add(buffer);
    return buffer;
  }
}
