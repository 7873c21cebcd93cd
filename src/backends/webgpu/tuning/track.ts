/// <reference types="@webgpu/types" />
import { Rng } from '../../../data/rng.js';
import type { Call } from '../../../graph/planned.js';
import { Choices } from '../choices.js';
import type { Gpu } from '../device.js';
import { bufferUsage } from '../device.js';
import { allocate } from '../executor.js';
import type { Ways } from '../lowering.js';
import { Lowering } from '../lowering.js';
import type { Program } from '../program.js';
import { compileProgram, encode } from '../program.js';
import type { Content } from './contest.js';
import { Stopwatch } from './stopwatch.js';

/** Bytes of random content, repeated over longer tensors. */
const BLOCK = 1 << 22;

/** An open GPU with the memory that contests run in. */
export class Track {
  readonly watch: Stopwatch;
  private readonly lowering: Lowering;
  private readonly blocks = new Map<string, GPUBuffer>();

  private constructor(
    readonly gpu: Gpu,
    private readonly buffers: readonly GPUBuffer[],
    private readonly arenaBytes: number,
    ways: Ways,
  ) {
    this.watch = new Stopwatch(gpu);
    this.lowering = new Lowering(gpu.capabilities, new Choices(), ways);
  }

  static async open(gpu: Gpu, arenaBytes: number, ways: Ways): Promise<Track> {
    return new Track(gpu, await allocate(gpu, arenaBytes, gpu.memory), arenaBytes, ways);
  }

  /** True where the GPU's work is done by the CPU, and so disturbed by compiling. */
  get isSoftware(): boolean {
    return this.gpu.capabilities.family.vendor === 'software';
  }

  private readonly compiled = new Set<Program>();

  /** Whether programs were compiled here. */
  owns(entrants: readonly { readonly program?: Program }[]): boolean {
    return entrants.every(({ program }) => !program || this.compiled.has(program));
  }

  /** Throws `UserError` where the GPU refuses a shader. */
  async compile(calls: readonly Call[]): Promise<Program> {
    const { gpu, buffers, arenaBytes, lowering } = this;
    const program = await compileProgram(gpu, { calls }, buffers, gpu.memory, arenaBytes, lowering);
    this.compiled.add(program);
    return program;
  }

  /** What candidates make of constants once. */
  once({ calls }: Program): void {
    if (calls.every(({ once }) => once.length === 0)) return;
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { once } of calls) encode(pass, once);
    pass.end();
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** Fills the arena with random content: GPUs are faster on zeros. */
  fill(contents: readonly Content[]): void {
    const { bufferBytes } = this.gpu.memory;
    const encoder = this.gpu.device.createCommandEncoder();
    for (const { offset, bytes, dtype, below } of contents) {
      const block = this.block(dtype, dtype === 'u8' ? below : 0);
      const end = offset + Math.ceil(bytes / 4) * 4;
      for (let at = offset; at < end; ) {
        const index = Math.floor(at / bufferBytes);
        const size = Math.min(BLOCK, end - at, (index + 1) * bufferBytes - at);
        encoder.copyBufferToBuffer(block, 0, this.buffers[index], at - index * bufferBytes, size);
        at += size;
      }
    }
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** Numbers of random sign between an eighth and a half, or bytes below a bound. */
  private block(dtype: Content['dtype'], below: number): GPUBuffer {
    const key = `${dtype} ${below}`;
    const known = this.blocks.get(key);
    if (known) return known;
    const rng = Rng.of(17);
    const words = Uint32Array.from({ length: BLOCK / 4 }, () => rng.uint32());
    if (dtype === 'u8') {
      const bytes = new Uint8Array(words.buffer);
      if (below < 256) for (const [i, byte] of bytes.entries()) bytes[i] = byte % below;
    } else {
      // The sign and the fraction are random, and whether the exponent is −3 or −2.
      const [keep, exponent] = dtype === 'f32' ? [0x80ffffff, 0x3e000000] : [0x87ff87ff, 0x30003000];
      for (const [i, word] of words.entries()) words[i] = (word & keep) | exponent;
    }
    const buffer = this.gpu.device.createBuffer({
      size: BLOCK,
      usage: bufferUsage.copySource | bufferUsage.copyDestination,
    });
    this.gpu.device.queue.writeBuffer(buffer, 0, words);
    this.blocks.set(key, buffer);
    return buffer;
  }

  /** Frees the device with all that is on it. */
  close(): void {
    this.gpu.device.destroy();
  }
}
