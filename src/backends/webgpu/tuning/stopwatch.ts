/// <reference types="@webgpu/types" />
import type { Gpu } from '../device.js';
import { bufferUsage, MAP_READ } from '../device.js';
import type { Step } from '../program.js';
import { encode } from '../program.js';
import { spinOn } from './spin.js';

/** Steps to be timed, run `repeat` times in a row. */
export interface Lap {
  readonly steps: readonly Step[];
  readonly repeat: number;
}

/** The most laps of one submission. */
const MOST = 64;

/** Milliseconds of work after which a GPU's clock is up. */
export const WARM = 30;
/** Times longer than ever that the spin may take. */
const STEADY = 1.1;
const TRIES = 4;

/** Times steps by the GPU's own clock, or by ours where it shows none. */
export class Stopwatch {
  private readonly own?: { querySet: GPUQuerySet; resolved: GPUBuffer; staging: GPUBuffer };

  /** Of the spin, while the clock is at its highest; absent on adapters that run on the CPU. */
  private readonly spin?: Lap;
  private fastestSpin = Number.POSITIVE_INFINITY;

  constructor(private readonly gpu: Gpu) {
    const { device } = gpu;
    if (gpu.capabilities.family.vendor !== 'software') this.spin = { steps: [spinOn(gpu)], repeat: 1 };
    if (!device.features.has('timestamp-query')) return;
    const size = 16 * MOST;
    this.own = {
      querySet: device.createQuerySet({ type: 'timestamp', count: 2 * MOST }),
      resolved: device.createBuffer({ size, usage: bufferUsage.queryResolve | bufferUsage.copySource }),
      staging: device.createBuffer({ size, usage: bufferUsage.mapRead | bufferUsage.copyDestination }),
    };
  }

  /** Keeps the GPU busy until its clock is up again. */
  async warm(milliseconds: number): Promise<void> {
    if (!this.spin) return;
    for (let spent = 0; spent < milliseconds; ) {
      const once = Number.isFinite(this.fastestSpin) ? this.fastestSpin : milliseconds;
      const repeat = Math.max(1, Math.min(200, Math.ceil((milliseconds - spent) / once)));
      const [ms] = await this.time([{ ...this.spin, repeat }]);
      this.fastestSpin = Math.min(this.fastestSpin, ms);
      spent += Math.max(0.01, ms * repeat);
    }
  }

  /** Like {@link time}, but with the clock as high before and after as it ever was, if a few tries give that. */
  async steadily(laps: readonly Lap[]): Promise<number[]> {
    if (!this.spin || laps.length > MOST - 2) return this.time(laps);
    for (let tries = 0; ; tries++) {
      const times = await this.time([this.spin, ...laps, this.spin]);
      const slower = Math.max(times[0], times[times.length - 1]);
      this.fastestSpin = Math.min(this.fastestSpin, slower);
      if (slower <= STEADY * this.fastestSpin || tries === TRIES) return times.slice(1, -1);
      await this.warm(WARM);
    }
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
