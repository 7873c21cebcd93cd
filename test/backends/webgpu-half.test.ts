import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import { UserError } from '../../src/errors.js';
import { storeHalf } from '../../src/graph/half.js';
import { makeNode, makeValue } from '../../src/graph/node.js';
import { plan } from '../../src/graph/plan.js';
import type { TensorRef } from '../../src/graph/planned.js';
import type { Graph, Node } from '../../src/ir/graph.js';
import type { Value } from '../../src/ir/value.js';
import { initialWeights } from '../../src/nets/initialize.js';
import type { Network } from '../../src/nets/network.js';
import { imageNorm } from '../../src/nets/normalization.js';
import type { KernelName } from '../../src/ops/index.js';
import { ops } from '../../src/ops/index.js';
import type { OpDef } from '../../src/ops/op.js';
import { hyperOf } from '../../src/optimizers/index.js';
import { kernelNames, randomCase } from './cases.js';
import { adapters, backendOn, halfAdapter } from './gpu.js';
import type { Tensor } from './harness.js';
import { assertClose, seededRandom, testSeed } from './harness.js';
import { assertSameStep, trainingStep } from './network.js';

const seed = testSeed(71);
const skip = halfAdapter ? false : 'no WebGPU adapter with shader-f16';
/** Two neighbouring float16 numbers: a result between them may be rounded to either. */
const ulp = 2 ** -10;

/** A stem, one V module and a head: every kernel of VNet but CPP, in few different shaders. */
const tiny: Network = {
  name: 'tiny',
  classes: 5,
  config: {},
  build(b, images) {
    let x = b.conv('conv', images, { out: 8, kernel: 3, stride: 2, normalize: imageNorm });
    x = b.batchNorm('norm', x, { act: 'prelu' });
    const part = (half: Value) =>
      b.batchNorm(
        'norm',
        b.conv('conv2', b.prelu('act', b.conv('conv1', half, { out: 4, kernel: [3, 1] })), {
          out: 4,
          kernel: [1, 3],
        }),
      );
    const [x1, x2] = b.split(x, [4, 4]);
    return b.conv('head', b.concat(...b.reversible('v', [x1, x2], part, part)), {
      ...{ out: 5, kernel: 1, bias: true },
    });
  },
};
const size = { batch: 2, height: 40, width: 56, precision: 'f16' } as const;

type Refs = Readonly<Record<string, TensorRef | undefined>>;
type Operands = Readonly<Record<string, Value | undefined>>;

const featuresOf = (op: KernelName): readonly string[] => {
  const { features = [] } = ops[op] as OpDef<object, object, object>;
  return features as readonly string[];
};

/** Runs one op on feature maps in float16, which ops before and after it convert; and the reference the same plan. */
async function halfParity(backend: Backend, op: KernelName, round: number): Promise<void> {
  const features = featuresOf(op);
  const rng = seededRandom(seed + round);
  for (;;) {
    const { inputs, attrs } = randomCase[op](rng);
    const given = Object.entries(inputs as Record<string, Tensor | undefined>).filter(
      (entry): entry is [string, Tensor] => entry[1] !== undefined,
    );
    const values: Value[] = [];
    const nodes: Node[] = [];
    const operands = given.map(([name, { shape, data }]) => {
      const value = makeValue(name, shape, data instanceof Uint8Array ? 'u8' : 'f32', 'input');
      values.push(value);
      if (value.dtype === 'u8' || !features.includes(name)) return [name, value] as const;
      const half = makeNode('scale', { x: value }, { factor: 1 }, `${name}.half`, 'forward');
      nodes.push(half.node);
      return [name, half.outputs.y] as const;
    });
    const made = makeNode(op, Object.fromEntries(operands) as never, attrs as never, op, 'forward');
    nodes.push(made.node);
    const outputs = Object.entries(made.outputs as Record<string, Value>).map(([name, value]) => {
      if (!features.includes(name)) return [name, value] as const;
      const whole = makeNode('scale', { x: value }, { factor: 1 }, `${name}.whole`, 'forward');
      nodes.push(whole.node);
      return [name, whole.outputs.y] as const;
    });
    const graph: Graph = storeHalf({
      ...{ nodes, regions: [], inputs: values, params: [], states: [] },
      ...{ initial: new Map(), gradients: new Map(), outputs: Object.fromEntries(outputs) },
    });
    const node = graph.nodes.find((candidate) => candidate.op === op && candidate.label === op)!;
    const stored = Object.entries({ ...(node.inputs as Operands), ...(node.outputs as Operands) });
    const mixed = stored.some(([name, value]) => value && features.includes(name) && value.dtype === 'f32');
    // Cases with other channels stay float32: draw another.
    if (mixed || !stored.some(([, value]) => value?.dtype === 'f16')) continue;
    const run = async (on: Backend) => {
      const executor = await on.prepare(plan(graph, on.scratchBytes));
      for (const [name, { data }] of given) executor.write(name, data as Float32Array | Uint8Array);
      await executor.run('forward');
      const results = await Promise.all(outputs.map(([name]) => executor.read(name)));
      await executor.dispose();
      return results;
    };
    const [actual, expected] = [await run(backend), await run(referenceBackend)];
    outputs.forEach(([name], i) => {
      const relative = features.includes(name) ? ulp : 2e-5;
      assertClose(actual[i], expected[i], { relative, label: `seed ${seed}: ${op}.${name}` });
    });
    return;
  }
}

test('plans in float16: feature maps only, and a clear word from who cannot run them', async () => {
  const float16 = compileTraining(tiny, { ...size, scratchBytes: () => 0 });
  const types = new Map<string, Set<string>>();
  for (const call of float16.calls) {
    for (const ref of Object.values({ ...(call.inputs as Refs), ...(call.outputs as Refs) })) {
      if (!ref) continue;
      const kind = ref.shape[1] * ref.shape[2] > 1 && ref.shape[3] % 4 === 0 ? 'map' : 'other';
      types.set(kind, (types.get(kind) ?? new Set()).add(`${ref.name} ${ref.dtype}`));
    }
  }
  const maps = [...types.get('map')!].filter((name) => !/weight|stats/.test(name));
  assert.ok(maps.length > 10 && maps.every((name) => name.endsWith(' f16')), maps.join(', '));
  assert.ok([...types.get('other')!].every((name) => !name.endsWith(' f16')));
  await assert.rejects(wasmBackend.prepare(float16), /`precision: 'f16'`: .*use `precision: 'f32'`/);
  for (const { name, features } of adapters.map(describeAdapter)) {
    const backend = await backendOn(name);
    const { scratchBytes } = backend;
    const integers = compileInference(tiny, { ...size, precision: 'i16', scratchBytes });
    await assert.rejects(backend.prepare(integers), /`precision: 'i16'`: GPUs have no kernels for it/);
    if (features.includes('shader-f16')) {
      backend.dispose();
      continue;
    }
    await assert.rejects(
      backend.prepare(float16),
      new UserError(`\`precision: 'f16'\`: ${name} has no shader-f16; use \`precision: 'f32'\``),
    );
    backend.dispose();
  }
});

test(`float16 on ${halfAdapter?.name}`, { skip }, async (t) => {
  const backend = await backendOn(halfAdapter!.name);
  // What the step below runs too is left out: compiling shaders is most of the time.
  const inStep: readonly KernelName[] = [
    'batchStats',
    'batchNormGrad',
    'conv2dGradWeight',
    'sumPixels',
    'copy',
  ];
  const tested = kernelNames.filter((op) => featuresOf(op).length > 0 && !inStep.includes(op));

  await t.test('kernels equal the reference', async () => {
    for (const op of tested) await halfParity(backend, op, 0);
  });

  await t.test('memory of mixed types in one binding', async () => {
    const narrow = await backendOn(halfAdapter!.name, { bindings: 1 });
    for (const op of ['affine', 'conv2d'] as const) await halfParity(narrow, op, 1);
    narrow.dispose();
  });

  await t.test('tensors in pieces', async () => {
    const cut = await backendOn(halfAdapter!.name, { bufferBytes: 2048, bindingBytes: 1024 });
    for (const op of ['affine', 'conv2d'] as const) await halfParity(cut, op, 2);
    cut.dispose();
  });

  await t.test('a training step equals the reference, and itself', async () => {
    const expected = await trainingStep(referenceBackend, tiny, size, seed);
    const first = await trainingStep(backend, tiny, size, seed);
    // Elements rounded to the other neighbour: a few units of the last place, averaged by the sums.
    assertSameStep(first, expected, 8 * ulp, `seed ${seed}`);
    const again = await trainingStep(backend, tiny, size, seed);
    for (const [key, values] of first) assert.deepEqual(again.get(key), values, key);
  });

  await t.test('the loss falls', async () => {
    const compiled = compileTraining(tiny, { ...size, scratchBytes: backend.scratchBytes });
    const executor = await backend.prepare(compiled);
    for (const [name, data] of initialWeights(compiled, 1)) executor.write(name, data);
    const { images } = compiled.slots;
    const pixels = images.shape[0] * images.shape[1] * images.shape[2];
    const band = (p: number) => Math.floor((p % images.shape[2]) / 12);
    executor.write(
      'images',
      Uint8Array.from({ length: 3 * pixels }, (_, i) => 50 * band(Math.floor(i / 3))),
    );
    executor.write(
      'labels',
      Uint8Array.from({ length: pixels }, (_, p) => band(p)),
    );
    const losses: number[] = [];
    for (let step = 1; step <= 12; step++) {
      executor.write('hyper', hyperOf({ kind: 'adam' }, 2e-2, step));
      await executor.run('forward', 'backward', 'update');
      losses.push((await executor.read('loss'))[0]);
    }
    assert.ok(losses[11] < 0.7 * losses[0], losses.map((loss) => loss.toFixed(3)).join(', '));
    await executor.dispose();
  });
  backend.dispose();
});
