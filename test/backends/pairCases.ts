/** Small random graphs in which two calls may run as one. */
import type { Rng } from '../../src/data/rng.js';
import { makeNode, makeValue } from '../../src/graph/node.js';
import type { Graph, Node } from '../../src/ir/graph.js';
import type { Shape, Value } from '../../src/ir/value.js';
import { formatShape } from '../../src/ir/value.js';
import { convLength } from '../../src/ops/conv.js';
import type { AttrsOf, InputsOf, OpName, OutputsOf } from '../../src/ops/index.js';
import type { Tensor } from './harness.js';
import { randomBytes, randomTensor } from './harness.js';
import { activation, between, vector } from './shapes.js';

export interface PairCase {
  /** Its outputs are compared. */
  readonly graph: Graph;
  readonly data: ReadonlyMap<string, Float32Array | Uint8Array>;
  readonly label: string;
}

/** Whole groups of four in half of the cases: the others make longer shaders. */
const channels = (rng: Rng): number => (rng.chance(0.5) ? 4 * between(rng, 1, 5) : between(rng, 1, 21));

/** A graph in the making, of nodes on tensors that are given. */
class Draft {
  private readonly inputs: Value[] = [];
  private readonly nodes: Node[] = [];
  private readonly data = new Map<string, Float32Array | Uint8Array>();

  constructor(readonly rng: Rng) {}

  give(name: string, { shape, data }: Tensor): Value {
    const value = makeValue(name, shape, data instanceof Uint8Array ? 'u8' : 'f32', 'input');
    this.inputs.push(value);
    this.data.set(name, data as Float32Array | Uint8Array);
    return value;
  }

  random(name: string, shape: Shape): Value {
    return this.give(name, randomTensor(this.rng, shape));
  }

  /** As often as not. */
  maybe(name: string, shape: Shape): Value | undefined {
    return this.rng.chance(0.5) ? this.random(name, shape) : undefined;
  }

  /** A prologue, whole or in parts. */
  prologue(name: string, channels: number) {
    const moved = this.rng.chance(0.5);
    return {
      preScale: moved ? this.random(`${name}.scale`, vector(channels)) : undefined,
      preShift: moved ? this.random(`${name}.shift`, vector(channels)) : undefined,
      preSlope: this.maybe(`${name}.slope`, vector(channels)),
    };
  }

  emit<K extends OpName>(op: K, inputs: InputsOf<K>, attrs: AttrsOf<K>, label: string): OutputsOf<K> {
    const { node, outputs } = makeNode(op, inputs, attrs, label, 'forward');
    this.nodes.push(node);
    return outputs;
  }

  finish(outputs: Readonly<Record<string, Value>>): PairCase {
    const { inputs, nodes, data } = this;
    const shapes = inputs.map(({ name, shape }) => `${name} ${formatShape(shape)}`).join(', ');
    const attrs = nodes.map((node) => JSON.stringify(node.attrs)).join(' ');
    return {
      graph: {
        ...{ nodes, regions: [], inputs, params: [], states: [] },
        ...{ initial: new Map(), gradients: new Map(), outputs },
      },
      data,
      label: `${shapes} ${attrs}`,
    };
  }
}

/** A 3×1 or 5×1 convolution and a 1×3 or 1×5 one, of halves of a wider map, dilated up to beyond the image. */
function cross(rng: Rng): PairCase {
  const draft = new Draft(rng);
  const size = [between(rng, 1, 2), between(rng, 1, 9), between(rng, 1, 40)] as const;
  const [cin, middle, cout] = [1, 2, 3].map(() => channels(rng));
  const [down, along] = [rng.pick([3, 5]), rng.pick([3, 5])];
  const dilations = [1, 2].map(() => rng.pick([1, 2, 3, 4, 8, 16]));
  const attrs = (taps: number, axis: 0 | 1) => {
    const of = (value: number, other: number) =>
      axis === 0 ? ([value, other] as const) : ([other, value] as const);
    const dilation = dilations[axis];
    return {
      ...({ stride: [1, 1], groups: 1 } as const),
      dilation: of(dilation, 1),
      padding: of((dilation * (taps - 1)) / 2, 0),
    };
  };
  const wide = draft.random('x', [...size, cin + 4]);
  const [x] = Object.values(draft.emit('split', { x: wide }, { sizes: [cin, 4] }, 'split'));
  // Of the graph, so that the result may be written over it.
  const given = draft.maybe('residual', [...size, cout]);
  const residual = given && draft.emit('scale', { x: given }, { factor: 1 }, 'scale').y;
  const inner = draft.emit(
    'conv2d',
    {
      x,
      weight: draft.random('w1', [down, 1, cin, middle]),
      bias: draft.maybe('b1', vector(middle)),
      slope: draft.maybe('s1', vector(middle)),
      ...draft.prologue('p1', cin),
    },
    attrs(down, 0),
    'first',
  ).y;
  const { y } = draft.emit(
    'conv2d',
    {
      x: inner,
      weight: draft.random('w2', [1, along, middle, cout]),
      bias: draft.maybe('b2', vector(cout)),
      slope: draft.maybe('s2', vector(cout)),
      residual,
      ...draft.prologue('p2', middle),
    },
    { ...attrs(along, 1), ...activation(rng) },
    'second',
  );
  return draft.finish({ y });
}

/** Two convolutions of few channels, the first perhaps of the bytes of an image. */
function window(rng: Rng): PairCase {
  for (;;) {
    const draft = new Draft(rng);
    const bytes = rng.chance(0.5);
    const x: Shape = [
      between(rng, 1, 2),
      between(rng, 3, 40),
      between(rng, 3, 60),
      bytes ? 3 : between(rng, 1, 9),
    ];
    const [middle, cout] = [1, 2].map(() => between(rng, 1, 9));
    const geometry = () => ({
      stride: [between(rng, 1, 2), between(rng, 1, 2)] as const,
      padding: [rng.int(3), rng.int(3)] as const,
      dilation: [between(rng, 1, 2), between(rng, 1, 2)] as const,
      groups: 1,
    });
    const normalize = bytes
      ? { mean: x.map(() => rng.next()), std: x.map(() => rng.range(0.2, 0.3)) }
      : undefined;
    const [attrs, next] = [{ ...geometry(), ...(normalize ? { normalize } : {}) }, geometry()];
    const [taps, nextTaps] = [1, 2].map(() => [rng.pick([1, 2, 3]), rng.pick([2, 3])] as const);
    const length = (n: number, of: typeof next, k: readonly number[], axis: 0 | 1) =>
      convLength(n, k[axis], of.stride[axis], of.padding[axis], of.dilation[axis]);
    const size = ([0, 1] as const).map((axis) => length(x[axis + 1], attrs, taps, axis));
    const last = ([0, 1] as const).map((axis) => length(size[axis], next, nextTaps, axis));
    if (Math.min(...size, ...last) < 1) continue;
    const inner = draft.emit(
      'conv2d',
      {
        x: bytes ? draft.give('x', randomBytes(rng, x)) : draft.random('x', x),
        weight: draft.random('w1', [...taps, x[3], middle]),
        bias: draft.maybe('b1', vector(middle)),
        slope: draft.maybe('s1', vector(middle)),
        ...(bytes ? {} : draft.prologue('p1', x[3])),
      },
      attrs,
      'first',
    ).y;
    const { y } = draft.emit(
      'conv2d',
      {
        x: inner,
        weight: draft.random('w2', [...nextTaps, middle, cout]),
        bias: draft.maybe('b2', vector(cout)),
        slope: draft.maybe('s2', vector(cout)),
        residual: draft.maybe('residual', [x[0], last[0], last[1], cout]),
        ...draft.prologue('p2', middle),
      },
      { ...next, ...activation(rng) },
      'second',
    );
    return draft.finish({ y });
  }
}

/** A 1×1 convolution to classes, and the labels of its upsampled logits. */
function head(rng: Rng): PairCase {
  const draft = new Draft(rng);
  const size = [between(rng, 1, 2), between(rng, 1, 20), between(rng, 1, 20)] as const;
  const [cin, classes] = [channels(rng), channels(rng)];
  const eightfold = rng.chance(0.5);
  const attrs = {
    height: eightfold ? 8 * size[1] : between(rng, 1, 90),
    width: eightfold ? 8 * size[2] : 4 * between(rng, 1, 25),
    alignCorners: rng.chance(0.3),
  };
  const x = draft.random('x', [...size, cin]);
  const inputs = {
    weight: draft.random('w1', [1, 1, cin, classes]),
    bias: draft.maybe('b1', vector(classes)),
    slope: draft.maybe('s1', vector(classes)),
    ...draft.prologue('p1', cin),
  };
  const plain = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 } as const;
  const logits = draft.emit('conv2d', { x, ...inputs }, plain, 'first').y;
  const { labels } = draft.emit('resizeArgmax', { x: logits }, attrs, 'second');
  return draft.finish({ labels });
}

/** The gradients of a convolution's input and of the PReLU before it, of images so large that they are taken in parts. */
function backward(rng: Rng): PairCase {
  const draft = new Draft(rng);
  const [height, width] = [between(rng, 180, 400), between(rng, 320, 340)];
  const x: Shape = [height * width < 100_000 ? 3 : 2, height, width, between(rng, 1, 5)];
  const cout = between(rng, 1, 3);
  const axis = rng.int(2);
  const along = (value: number, other: number) =>
    axis === 0 ? ([value, other] as const) : ([other, value] as const);
  const dilation = between(rng, 1, 4);
  const attrs = {
    ...({ stride: [1, 1], groups: 1, height, width } as const),
    ...{ dilation: along(dilation, 1), padding: along(dilation, 0) },
  };
  const gy = draft.random('gy', [...(x.slice(0, 3) as [number, number, number]), cout]);
  const weight = draft.random('weight', [...along(3, 1), x[3], cout]);
  // Of the graph, so that the result may be written over it.
  const kept = draft.emit('scale', { x: draft.random('x', x) }, { factor: 1 }, 'scale').y;
  const { gx: inner } = draft.emit('conv2dGradInput', { gy, weight }, attrs, 'first');
  const slope = draft.random('slope', vector(x[3]));
  return draft.finish(draft.emit('preluGrad', { x: kept, slope, gy: inner }, {}, 'second'));
}

/** A 1×1 convolution and a pyramid of poolings of one map, side by side in the result. */
function pyramid(rng: Rng): PairCase {
  const draft = new Draft(rng);
  const size = [between(rng, 1, 2), between(rng, 1, 30), between(rng, 1, 30)] as const;
  const [cin, cout] = [channels(rng), channels(rng)];
  const stride = between(rng, 1, 3);
  const shared = { x: draft.random('x', [...size, cin]), ...draft.prologue('p1', cin) };
  const conv = draft.emit(
    'conv2d',
    {
      ...shared,
      weight: draft.random('w1', [1, 1, cin, cout]),
      bias: draft.maybe('b1', vector(cout)),
      slope: draft.maybe('s1', vector(cout)),
    },
    { stride: [stride, stride], padding: [0, 0], dilation: [1, 1], groups: 1 },
    'first',
  ).y;
  const moved = rng.chance(0.5);
  const pool = draft.emit(
    'pyramidPool',
    {
      ...shared,
      scale: moved ? draft.random('scale', vector(cin)) : undefined,
      shift: moved ? draft.random('shift', vector(cin)) : undefined,
      slope: draft.maybe('s2', vector(cin)),
    },
    { kernels: rng.pick([[3, 5, 7], [3], [1, 5]]), stride },
    'second',
  ).y;
  const { y } = draft.emit('concat', { a: conv, b: pool }, {}, 'concat');
  return draft.finish({ y });
}

/** With as many rounds as there are ways. */
export const pairCases: Readonly<Record<string, { draw(rng: Rng): PairCase; rounds: number }>> = {
  'a vertical and a horizontal convolution': { draw: cross, rounds: 5 },
  'two convolutions of few channels': { draw: window, rounds: 3 },
  'a convolution to logits and their labels': { draw: head, rounds: 3 },
  'a convolution and a pyramid of poolings': { draw: pyramid, rounds: 2 },
  'gradients of an input and of the PReLU before it': { draw: backward, rounds: 1 },
};
