/**
 * Runs one kernel call on any backend, for parity tests against the reference backend.
 *
 * Around every tensor lie traps: outputs and scratch start as NaN, channels beside a strided tensor and the memory
 * between tensors are poisoned and checked after the run, and inputs must come back bit for bit.
 *
 *     const seed = testSeed(1);
 *     const rng = seededRandom(seed);
 *     const x = randomTensor(rng, [2, 5, 7, 8]);
 *     const weight = randomTensor(rng, [3, 1, 8, 8]);
 *     await assertParity(wasmBackend, 'conv2d', { x, weight }, attrs, {
 *       relative: 1e-5,
 *       label: `seed ${seed}`,
 *       layout: { views: { y: { pixelStride: 16, channelOffset: 8 } } },
 *     });
 */
import assert from 'node:assert/strict';
import type { Backend, BackendOptions, Executor } from '../../src/backends/backend.js';
import { ReferenceExecutor, referenceBackend } from '../../src/backends/reference/index.js';
import { Rng } from '../../src/data/rng.js';
import type { Call, MemoryPoint, Plan, Slot, TensorRef } from '../../src/graph/planned.js';
import type { DType, Shape, Value } from '../../src/ir/value.js';
import { bytesOf, formatShape, sizeOf } from '../../src/ir/value.js';
import type { AttrsOf, InputsOf, KernelName, OutputsOf } from '../../src/ops/index.js';
import { ops } from '../../src/ops/index.js';
import type { OpDef } from '../../src/ops/op.js';

export type TensorData = Float64Array | Float32Array | Uint8Array;

/** A dense NHWC tensor. Float data is f32 on the fast backends; the reference keeps float64. */
export interface Tensor {
  readonly shape: Shape;
  readonly data: TensorData;
}

/** The record of values `R` with each value replaced by a tensor. */
export type Tensors<R> = { readonly [K in keyof R]: Tensor | Extract<R[K], undefined> };

/** Place of a tensor as channels `channelOffset … channelOffset + C − 1` of pixels `pixelStride` elements apart. */
export interface View {
  readonly pixelStride: number;
  readonly channelOffset: number;
  /** Views naming the same memory share it (their channels must not overlap). Default: memory of its own. */
  readonly memory?: string;
}

export interface Layout {
  /** By name of input or output; dense where absent. */
  readonly views?: Readonly<Record<string, View>>;
  /** Outputs written over an input: `{ y: 'residual' }`. */
  readonly inPlace?: Readonly<Record<string, string>>;
  readonly options?: BackendOptions;
  /** Inputs that are known before the run. */
  readonly constants?: readonly string[];
  /** The way that the call is computed, where there are several. */
  readonly algorithm?: (call: Call) => string | undefined;
}

export interface Tolerance {
  /** Of the largest magnitude in `expected`. */
  readonly relative: number;
  readonly absolute?: number;
  /** Shown on failure; put the seed here. */
  readonly label: string;
}

/** The seed of a test file, printed; `TEST_SEED` in the environment replaces it. */
export function testSeed(fallback: number): number {
  const seed = Number(process.env.TEST_SEED ?? fallback);
  console.log(`seed ${seed} (TEST_SEED=${seed} repeats it)`);
  return seed;
}

export const seededRandom = (seed: number): Rng => Rng.of(seed);

/** Uniform f32 values in [low, high). */
export function randomTensor(rng: Rng, shape: Shape, low = -1, high = 1): Tensor {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => rng.range(low, high)) };
}

/** Uniform bytes in [0, below); one in four is `ignore` where given. */
export function randomBytes(rng: Rng, shape: Shape, below = 256, ignore?: number): Tensor {
  const draw = () => (ignore !== undefined && rng.chance(0.25) ? ignore : rng.int(below));
  return { shape, data: Uint8Array.from({ length: sizeOf(shape) }, draw) };
}

/** A tensor of given values: f32, or float64 where only the reference runs. */
export function tensor(
  shape: Shape,
  values: ArrayLike<number>,
  Data: typeof Float32Array | typeof Float64Array | typeof Uint8Array = Float32Array,
): Tensor {
  assert.equal(values.length, sizeOf(shape), `values of a ${formatShape(shape)} tensor`);
  return { shape, data: Data.from(values) };
}

/** Fails unless every element is within `absolute + relative·max|expected|`, the largest that is finite, or the same infinity. NaN never is. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): void {
  const { relative, absolute = 0, label } = tolerance;
  assert.equal(actual.length, expected.length, `${label}: number of elements`);
  let largest = 0;
  for (const value of Array.from(expected)) {
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  const bound = absolute + relative * largest;
  let worst = -1;
  let worstError = bound;
  for (let i = 0; i < expected.length; i++) {
    const error = actual[i] === expected[i] ? 0 : Math.abs(actual[i] - expected[i]);
    if (error <= worstError) continue;
    worst = i;
    worstError = error;
    if (Number.isNaN(error)) break;
  }
  if (worst < 0) return;
  assert.fail(
    `${label}: element ${worst} of ${expected.length} is ${actual[worst]}, expected ${expected[worst]} ± ${bound}`,
  );
}

/** Runs `op` on `backend` and on the reference and compares every output. */
export async function assertParity<K extends KernelName>(
  backend: Backend,
  op: K,
  inputs: Tensors<InputsOf<K>>,
  attrs: AttrsOf<K>,
  { layout, ...tolerance }: Tolerance & { readonly layout?: Layout },
): Promise<void> {
  const expected = await runOp(referenceBackend, op, inputs, attrs);
  const actual = await runOp(backend, op, inputs, attrs, layout);
  for (const name of Object.keys(expected) as (keyof typeof expected & string)[]) {
    const label = `${tolerance.label}: ${op}.${name} on ${backend.name}`;
    assertClose((actual[name] as Tensor).data, (expected[name] as Tensor).data, { ...tolerance, label });
  }
}

/** Runs one kernel and returns its outputs densely (float64 from the reference backend). */
export async function runOp<K extends KernelName>(
  backend: Backend,
  op: K,
  inputs: Tensors<InputsOf<K>>,
  attrs: AttrsOf<K>,
  layout: Layout = {},
): Promise<Tensors<OutputsOf<K>>> {
  const given = Object.entries(inputs as Record<string, Tensor | undefined>).filter(
    (entry): entry is [string, Tensor] => entry[1] !== undefined,
  );
  const inputTypes = Object.fromEntries(
    given.map(([name, { shape, data }]): [string, Value] => {
      assert.equal(data.length, sizeOf(shape), `elements of input ${name}`);
      return [name, makeValue(name, shape, data instanceof Uint8Array ? 'u8' : 'f32')];
    }),
  );
  const def = ops[op] as unknown as OpDef<object, object, object>;
  const inferred = Object.entries(def.infer(inputTypes, attrs)) as [string, { shape: Shape; dtype: DType }][];
  const outputTypes = Object.fromEntries(
    inferred.map(([name, { shape, dtype }]) => [name, makeValue(name, shape, dtype)]),
  );

  const memory = new TestMemory();
  const inputRefs: Record<string, TensorRef> = {};
  for (const [name, value] of Object.entries(inputTypes)) {
    inputRefs[name] = memory.place(value, layout.views?.[name], 'input');
  }
  const outputRefs: Record<string, TensorRef> = {};
  for (const [name, value] of Object.entries(outputTypes)) {
    const over = layout.inPlace?.[name];
    outputRefs[name] =
      over === undefined
        ? memory.place(value, layout.views?.[name], 'output')
        : memory.overwrite(value, inputRefs[over]);
  }
  const flops = def.flops({ inputs: inputTypes, outputs: outputTypes, attrs });
  const bare = {
    ...{ op, label: `test.${op}`, phase: 'forward', inputs: inputRefs, outputs: outputRefs, attrs, flops },
    scratch: { offset: 0, bytes: 0 },
    constants: layout.constants,
  } as unknown as Call;
  const call = { ...bare, algorithm: layout.algorithm?.(bare) };
  const place = (name: string, bytes: number) => ({ offset: memory.placeScratch(name, bytes), bytes });
  const scratch = place('scratch', backend.scratchBytes(call));
  const kept = place('kept', backend.scratchBytes.kept?.(call) ?? 0);
  const whole = { ...call, scratch, ...(kept.bytes > 0 ? { kept } : {}) } as Call;
  const executor = await backend.prepare(memory.plan(whole), layout.options);
  try {
    for (const [name, { data }] of given) memory.fill(inputRefs[name], data);
    memory.writeTo(executor);
    await executor.run('prepare', 'forward');
    const after = await memory.readFrom(executor);
    const outputs = Object.entries(outputRefs).map(([name, ref]) => [name, after.take(ref)]);
    after.checkTraps(op);
    return Object.fromEntries(outputs);
  } finally {
    await executor.dispose();
  }
}

const makeValue = (name: string, shape: Shape, dtype: DType): Value => {
  return { id: 0, name, shape, dtype, role: 'activation' };
};

const alignment = 64;
const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
/** Where nothing may be written: exact in f32, and no result of a test. */
const sentinel = -1234567;
const byteSentinel = 171;

/** One stretch of arena behind one slot: a dense tensor, or a wide one that views share. */
interface Block {
  readonly slot: Slot;
  holdsOutput: boolean;
  readonly content: TensorData;
  /** 1 where a view lies; the rest is trap. */
  readonly used: Uint8Array;
  /** 1 where an output lies. */
  readonly written: Uint8Array;
}

/** Lays tensors out with guards between them, fills the traps, and checks them after the run. */
class TestMemory {
  private readonly blocks = new Map<string, Block>();
  private end = 0;

  constructor() {
    this.guard();
  }

  place(value: Value, view: View | undefined, kind: 'input' | 'output'): TensorRef {
    const [n, h, w, c] = value.shape;
    const { pixelStride, channelOffset, memory = value.name } = view ?? { pixelStride: c, channelOffset: 0 };
    assert.ok(channelOffset + c <= pixelStride, `view of ${value.name}: channels beyond the pixel stride`);
    const existing = this.blocks.get(memory);
    const block = existing ?? this.add(memory, [n, h, w, pixelStride], value.dtype, kind);
    if (existing) {
      assert.deepEqual(block.slot.shape, [n, h, w, pixelStride], `views sharing ${memory}`);
      if (kind === 'output' && !block.holdsOutput) {
        // Gaps beside an output must stay bit for bit, which NaN cannot show.
        block.holdsOutput = true;
        block.content.fill(sentinel);
      }
    }
    const { slot } = block;
    const elementBytes = value.dtype === 'f32' ? 4 : 1;
    const offset = slot.offset + elementBytes * channelOffset;
    const ref: TensorRef = { name: value.name, dtype: value.dtype, shape: value.shape, offset, pixelStride };
    forEachElement(block, ref, (at) => {
      assert.equal(block.used[at], 0, `view of ${value.name}: overlaps another in ${memory}`);
      block.used[at] = 1;
      if (kind === 'output') {
        block.written[at] = 1;
        block.content[at] = Number.NaN;
      }
    });
    return ref;
  }

  overwrite(value: Value, over: TensorRef): TensorRef {
    assert.deepEqual(over.shape, value.shape, `${value.name} in place over ${over.name}`);
    const block = this.blockOf(over);
    forEachElement(block, over, (at) => {
      block.written[at] = 1;
    });
    return { ...over, name: value.name };
  }

  placeScratch(name: string, bytes: number): number {
    const offset = this.end;
    if (bytes === 0) return offset;
    const { used, written } = this.add(name, [1, 1, 1, Math.ceil(bytes / 4)], 'f32', 'output');
    used.fill(1);
    written.fill(1);
    this.blocks.get(name)!.content.fill(Number.NaN);
    return offset;
  }

  fill(ref: TensorRef, data: ArrayLike<number>): void {
    const block = this.blockOf(ref);
    forEachElement(block, ref, (at, i) => {
      block.content[at] = data[i];
    });
  }

  plan(call: Call): Plan {
    const peak: MemoryPoint = { label: call.label, phase: call.phase, bytes: this.end };
    return {
      calls: [call],
      arenaBytes: this.end,
      persistentBytes: this.end,
      slots: Object.fromEntries([...this.blocks].map(([name, { slot }]) => [name, slot])),
      flatParams: { offset: 0, length: 0 },
      parameters: 0,
      timeline: [peak],
      peak,
    };
  }

  writeTo(executor: Executor): void {
    for (const [name, { content }] of this.blocks) {
      if (!(content instanceof Float64Array)) executor.write(name, content);
      else if (executor instanceof ReferenceExecutor) executor.writeFloat64(name, content);
      else executor.write(name, Float32Array.from(content));
    }
  }

  async readFrom(executor: Executor): Promise<{
    take(ref: TensorRef): Tensor;
    checkTraps(op: string): void;
  }> {
    const results = new Map<Block, TensorData>();
    for (const [name, block] of this.blocks) {
      const exact = executor instanceof ReferenceExecutor && block.slot.dtype === 'f32';
      results.set(block, exact ? executor.readFloat64(name) : await executor.read(name));
    }
    return {
      take: (ref) => {
        const block = this.blockOf(ref);
        const result = results.get(block)!;
        const Data = result.constructor as new (length: number) => TensorData;
        const data = new Data(sizeOf(ref.shape));
        forEachElement(block, ref, (at, i) => {
          data[i] = result[at];
        });
        return { shape: ref.shape, data };
      },
      checkTraps: (op) => {
        for (const [block, result] of results) checkTrap(op, block, result);
      },
    };
  }

  private blockOf(ref: TensorRef): Block {
    for (const block of this.blocks.values()) {
      const { offset } = block.slot;
      if (ref.offset >= offset && ref.offset < offset + bytesOf(block.slot)) return block;
    }
    throw new Error(`no memory at ${ref.offset} for ${ref.name}`);
  }

  private add(name: string, shape: Shape, dtype: DType, kind: 'input' | 'output' | 'guard'): Block {
    const size = sizeOf(shape);
    const slot: Slot = { name, dtype, shape, offset: this.end, pixelStride: shape[3], role: 'input' };
    const content = dtype === 'f32' ? new Float64Array(size) : new Uint8Array(size);
    // NaN beside inputs spoils any result that uses it.
    content.fill(dtype === 'u8' ? byteSentinel : kind === 'input' ? Number.NaN : sentinel);
    const holdsOutput = kind === 'output';
    const block = { slot, holdsOutput, content, used: new Uint8Array(size), written: new Uint8Array(size) };
    this.blocks.set(name, block);
    this.end += align(bytesOf(slot));
    if (kind !== 'guard') this.guard();
    return block;
  }

  private guard(): void {
    this.add(`guard${this.blocks.size}`, [1, 1, 1, alignment / 4], 'f32', 'guard');
  }
}

function checkTrap(op: string, { slot, content, written }: Block, result: TensorData): void {
  for (let i = 0; i < content.length; i++) {
    const before =
      slot.dtype === 'f32' && !(result instanceof Float64Array) ? Math.fround(content[i]) : content[i];
    if (written[i] || Object.is(result[i], before)) continue;
    const what = slot.name.startsWith('guard') ? 'memory around the tensors' : slot.name;
    assert.fail(`${op}: wrote outside its outputs: element ${i} of ${what} was ${before}, is ${result[i]}`);
  }
}

/** Calls `visit(element of the block, dense element of the tensor)`. */
function forEachElement(block: Block, ref: TensorRef, visit: (at: number, i: number) => void): void {
  const first = (ref.offset - block.slot.offset) / (ref.dtype === 'f32' ? 4 : 1);
  const channels = ref.shape[3];
  for (let i = 0, size = sizeOf(ref.shape); i < size; i++) {
    visit(first + Math.floor(i / channels) * ref.pixelStride + (i % channels), i);
  }
}

/** Each way in which one output of an op may lie over one of the given inputs. */
export const waysInPlace = (
  op: KernelName,
  inputs: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>>[] =>
  Object.entries<readonly string[]>((ops[op] as OpDef<object, object, object>).inPlace ?? {}).flatMap(
    ([output, over]) => over.filter((input) => inputs[input]).map((input) => ({ [output]: input })),
  );
