/**
 * Vectors of 256 bits: V8 merges pairs of 128-bit operations into AVX2 ones, fused multiply-adds included, where
 * `--experimental-wasm-revectorize` is set before a module is compiled, from Node 24 on.
 */
import { setFlagsFromString } from 'node:v8';
import { UserError } from '../../../errors.js';
import type { KernelArgs } from '../abi.js';
import { layouts, planeBytes } from '../abi.js';
import { quadTable } from '../conv/geometry.js';
import { encode } from '../encode.js';
import type { Blocks } from './blocks.js';
import { useBlocks } from './blocks.js';
import type { Vectors } from './host.js';

/** The first Node whose V8 merges what these kernels do, and has the registers for blocks of six pixels. */
const leastNode = 24;
/** How much faster 256 bits must be to be taken: a processor without AVX2 gains nothing. */
const leastGain = 1.2;
/** How much faster blocks of six pixels must be. */
const leastGainOfSix = 1.02;
const flag = 'experimental-wasm-revectorize';

/**
 * Turns merging on for all WebAssembly that this process compiles from now on, if it works here: one kernel must give the
 * same bits with and without, and be faster with it. Then blocks of four and of six pixels race. A few milliseconds.
 * @param bytes the module of kernels.
 * @throws UserError where VNET_SIMD is neither 128 nor 256, with x4 or x6 behind it or without.
 */
export function chooseVectors(bytes: Uint8Array<ArrayBuffer>): Vectors {
  const asked = process.env.VNET_SIMD || undefined;
  const [, askedBits, askedPixels] = asked?.match(/^(128|256)(?:x([46]))?$/) ?? [];
  if (asked !== undefined && !askedBits) {
    throw new UserError(
      `VNET_SIMD=${asked}: expected 128 or 256, or with the pixels of a block 128x4, 128x6, 256x4 or 256x6`,
      2,
    );
  }
  const pixelsAsked = askedPixels ? (Number(askedPixels) as 4 | 6) : undefined;
  const major = Number.parseInt(process.versions.node, 10);
  const narrowly = (why: string): Vectors => ({
    bits: 128,
    pixels: pixelsAsked ?? (major < leastNode ? 4 : 6),
    why,
  });
  if (askedBits === '128') return narrowly(`VNET_SIMD=${asked}`);
  if (process.arch !== 'x64') return narrowly(`256 bits need an x64 processor, not ${process.arch}`);
  if (major < leastNode) return narrowly(`256 bits need Node ${leastNode}, not ${major}`);
  try {
    // The optimising compiler alone merges; it is waited for. (Without the other one,
    // `--no-liftoff`, V8 14 ends the process where it inlines.)
    setFlagsFromString('--wasm-sync-tier-up');
    const narrow = new Trial(marked(bytes), { wide: false, tall: false });
    narrow.warm();
    setFlagsFromString(`--${flag}`);
    const merged = new Trial(bytes, { wide: true, tall: false });
    const tall = new Trial(bytes, { wide: true, tall: true });
    merged.warm();
    tall.warm();
    const gain = gainOf(narrow, merged, leastGain);
    const same = [merged, tall].every((trial) =>
      narrow.result().every((word, i) => word === trial.result()[i]),
    );
    if (same && (askedBits === '256' || gain >= leastGain)) {
      const sixes = pixelsAsked ? pixelsAsked === 6 : gainOf(merged, tall, Infinity) >= leastGainOfSix;
      const pixels = sixes ? 6 : 4;
      return {
        ...{ bits: 256, pixels },
        why: `AVX2, ${gain.toFixed(2)} times as fast, blocks of ${pixels} pixels`,
      };
    }
    setFlagsFromString(`--no-${flag}`);
    return narrowly(
      same
        ? `256 bits are ${gain.toFixed(2)} times as fast here, too little: no AVX2?`
        : '256 bits give other results here',
    );
  } catch (error) {
    setFlagsFromString(`--no-${flag}`);
    return narrowly(`256 bits failed: ${(error as Error).message}`);
  } finally {
    setFlagsFromString('--no-wasm-sync-tier-up');
  }
}

/** The same module as other bytes, with an empty custom section, so that V8 compiles it anew. */
function marked(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const section = [0, 2, 1, 0x77];
  const copy = new Uint8Array(bytes.length + section.length);
  copy.set(bytes);
  copy.set(section, bytes.length);
  return copy;
}

/** Turns of a trial, and how many more where the gain is too little: other programs may have had the processor. */
const turnsOfTrial = { least: 12, most: 96 };

/** How much sooner the second is done; the least times of turns of both, more of them until it gains `enough`. */
function gainOf(first: Trial, second: Trial, enough: number): number {
  const least = [Infinity, Infinity];
  for (let turn = 0; turn < turnsOfTrial.most; turn++) {
    if (turn >= turnsOfTrial.least && least[0] / least[1] >= enough) break;
    for (const [i, trial] of [first, second].entries()) {
      const before = performance.now();
      trial.run();
      least[i] = Math.min(least[i], performance.now() - before);
    }
  }
  return least[0] / least[1];
}

/** Pixels, quads of inputs, and octs of outputs: blocks of both kinds. */
const [pixels, quads, octs] = [48, 19, 3];
const [a, matrix, weights, out, args] = [65536, 196608, 229376, 262144, 327680];
/** Products at a time: some 30 µs. */
const turns = 16;

/** Products of random numbers in a memory of their own. */
class Trial {
  private readonly memory = new WebAssembly.Memory({ initial: 6, maximum: 6, shared: true });
  private readonly exports: WebAssembly.Exports;

  constructor(bytes: Uint8Array<ArrayBuffer>, blocks: Blocks) {
    const { memory } = this;
    this.exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
    useBlocks(this.exports, blocks);
    const floats = new Float32Array(memory.buffer);
    // A linear congruence: the same numbers in every trial.
    let state = 1;
    for (let i = a / 4; i < weights / 4; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      floats[i] = state / 2 ** 31 - 1;
    }
    // How packed weights lie depends on the blocks.
    this.write('convPackWeights', {
      ...{ packed: weights, inputs: 4 * quads, outputs: 8 * octs, blocks: octs, groupBytes: 0, taps: 1 },
      ...{ inputStep: 32 * octs, outputStep: 4, groupStep: 0, sources: [matrix] },
    });
    for (let oct = 0; oct < octs; oct++) this.call('convPackWeights', oct);
    const table = quadTable(4 * quads, planeBytes);
    this.write('multiplyTrial', { a, quads, table, weights, octs, pixels, out });
  }

  /** Until the optimising compiler has taken over: V8 waits for some 13 MB of code run, a turn is 2 MB and more. */
  warm(): void {
    for (let i = 0; i < 12; i++) this.run();
  }

  run(): void {
    for (let turn = 0; turn < turns; turn++) this.call('multiplyTrial', 0);
  }

  result(): Uint32Array {
    return new Uint32Array(this.memory.buffer, out, (octs * planeBytes) / 4);
  }

  private write<K extends keyof KernelArgs>(kernel: K, values: KernelArgs[K]): void {
    const words = encode(layouts[kernel], values, args);
    new Int32Array(this.memory.buffer, args, words.length).set(words);
  }

  private call(kernel: keyof KernelArgs, chunk: number): void {
    (this.exports[kernel] as (args: number, chunk: number, local: number) => void)(args, chunk, 0);
  }
}
