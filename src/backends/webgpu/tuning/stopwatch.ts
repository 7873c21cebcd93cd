/// <reference types="@webgpu/types" />
import type { Gpu } from '../device.js';
import { bufferUsage, MAP_READ } from '../device.js';
import type { Step } from '../program.js';
import { encode } from '../program.js';

/** Steps to be timed, run `repeat` times in a row. */
export interface Lap {
  readonly steps: readonly Step[];
  readonly repeat: number;
}

/** The most laps of one submission. */
const MOST = 64;

/** Times steps by the GPU's own clock, or by ours where it shows none. */
export class Stopwatch {
  private readonly own?: { querySet: GPUQuerySet; resolved: GPUBuffer; staging: GPUBuffer };

  constructor(private readonly gpu: Gpu) {
    const { device } = gpu;
    if (!device.features.has('timestamp-query')) return;
    const size = 16 * MOST;
    this.own = {
      querySet: device.createQuerySet({ type: 'timestamp', count: 2 * MOST }),
      resolved: device.createBuffer({ size, usage: bufferUsage.queryResolve | bufferUsage.copySource }),
      staging: device.createBuffer({ size, usage: bufferUsage.mapRead | bufferUsage.copyDestination }),
    };
  }

  /** Milliseconds of one run of each lap's steps, laps in the given order. Throws `DeviceError` if the GPU fails. */
  async time(laps: readonly Lap[]): Promise<number[]> {
    const times: number[] = [];
    for (let first = 0; first < laps.length; first += MOST) {
      const some = laps.slice(first, first + MOST);
      times.push(...(await (this.own ? this.byTimestamps(some) : this.byWallClock(some))));
      this.gpu.check();
    }
    return times;
  }

  private async byTimestamps(laps: readonly Lap[]): Promise<number[]> {
    const { device } = this.gpu;
    const { querySet, resolved, staging } = this.own!;
    const encoder = device.createCommandEncoder();
    laps.forEach(({ steps, repeat }, i) => {
      const timestampWrites = {
        querySet,
        beginningOfPassWriteIndex: 2 * i,
        endOfPassWriteIndex: 2 * i + 1,
      };
      const pass = encoder.beginComputePass({ timestampWrites });
      for (let k = 0; k < repeat; k++) encode(pass, steps);
      pass.end();
    });
    const bytes = 16 * laps.length;
    encoder.resolveQuerySet(querySet, 0, 2 * laps.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(MAP_READ, 0, bytes);
    const at = new BigInt64Array(staging.getMappedRange(0, bytes).slice(0));
    staging.unmap();
    return laps.map(({ repeat }, i) => Math.max(0, Number(at[2 * i + 1] - at[2 * i])) / 1e6 / repeat);
  }

  private async byWallClock(laps: readonly Lap[]): Promise<number[]> {
    const { queue } = this.gpu.device;
    const times: number[] = [];
    for (const { steps, repeat } of laps) {
      const encoder = this.gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (let k = 0; k < repeat; k++) encode(pass, steps);
      pass.end();
      const commands = encoder.finish();
      await queue.onSubmittedWorkDone();
      const start = performance.now();
      queue.submit([commands]);
      await queue.onSubmittedWorkDone();
      times.push((performance.now() - start) / repeat);
    }
    return times;
  }
}
