/** The network of a model in TensorFlow.js, built from our graph as its converter would: batch norms folded, PReLU fused. */
import type * as Wasm from '@tensorflow/tfjs-backend-wasm';
import type * as Core from '@tensorflow/tfjs-core';
import { Builder } from '../../src/graph/builder.js';
import type { Value } from '../../src/ir/value.js';
import type { Network } from '../../src/nets/network.js';
import type { NodeFor, OpNode } from '../../src/ops/index.js';
import { nodesOf } from '../../src/ops/index.js';

export type TensorFlow = typeof Core;
export type TensorFlowWasm = typeof Wasm;

/** Starts the WebAssembly backend on so many threads. @param folder where its files are, with a slash at its end. */
export async function startTensorFlow(
  tf: TensorFlow,
  wasm: TensorFlowWasm,
  folder: string,
  threads: number,
): Promise<void> {
  wasm.setWasmPaths(folder);
  wasm.setThreadsCount(threads);
  if (!(await tf.setBackend('wasm'))) throw new Error('TensorFlow.js: its WebAssembly cannot be started');
  await tf.ready();
}

type Weights = ReadonlyMap<string, Float32Array>;

/** @returns what turns the RGB bytes of pictures of a size into the class of each pixel. */
export function tensorFlowNetwork(
  tf: TensorFlow,
  network: Network,
  weights: Weights,
  [batch, height, width]: readonly [batch: number, height: number, width: number],
): (rgb: Uint8Array) => Promise<Uint8Array> {
  const builder = new Builder('infer');
  const images = builder.input('images', [batch, height, width, 3], 'u8');
  const logits = network.build(builder, images);
  const nodes = nodesOf(builder.finish({ logits }));
  const readers = new Map<number, OpNode[]>();
  const makers = new Map<number, OpNode>();
  for (const node of nodes) {
    for (const value of Object.values(node.inputs) as (Value | undefined)[]) {
      if (!value) continue;
      readers.set(value.id, [...(readers.get(value.id) ?? []), node]);
    }
    for (const value of Object.values(node.outputs) as Value[]) makers.set(value.id, node);
  }
  const vector = (value: Value) => weights.get(value.name)!;

  /** Scale and shift of a batch norm of running statistics. */
  const normOf = (node: NodeFor<'affine'>) => {
    const fold = makers.get(node.inputs.scale.id) as NodeFor<'foldCoefficients'>;
    const { gamma, beta, mean, variance } = fold.inputs;
    const [g, b, m, v] = [gamma, beta, mean, variance].map(vector);
    const scale = g.map((value, c) => value / Math.sqrt(v[c] + fold.attrs.eps));
    return { scale, shift: b.map((value, c) => value - m[c] * scale[c]) };
  };
  /** PReLU's slope, or nothing. */
  const slopeOf = (value: Value | undefined) =>
    value && makers.get(value.id)?.op !== 'fill'
      ? { activation: 'prelu' as const, preluActivationWeights: tf.tensor1d(vector(value)) }
      : {};

  type Step = (values: Map<number, Core.Tensor4D>) => void;
  const done = new Set<OpNode>();
  const convolution = (node: NodeFor<'conv2d'>): Step => {
    const { x, weight, bias } = node.inputs;
    const { stride, padding, dilation, normalize } = node.attrs;
    let kernel = vector(weight);
    let shift = bias ? vector(bias) : new Float32Array(weight.shape[3]);
    let end: Value = node.outputs.y;
    let slope: Value | undefined;
    const [next, ...others] = readers.get(end.id) ?? [];
    if (next?.op === 'affine' && others.length === 0) {
      const norm = normOf(next);
      kernel = kernel.map((value, i) => value * norm.scale[i % weight.shape[3]]);
      shift = shift.map((value, c) => value * norm.scale[c] + norm.shift[c]);
      end = next.outputs.y;
      slope = next.inputs.slope;
      done.add(next);
    } else if (next?.op === 'prelu' && others.length === 0) {
      end = next.outputs.y;
      slope = next.inputs.slope;
      done.add(next);
    }
    const options = {
      filter: tf.tensor4d(kernel, [...weight.shape] as [number, number, number, number]),
      bias: tf.tensor1d(shift),
      strides: [...stride] as [number, number],
      dilations: [...dilation] as [number, number],
      // Windows of odd sides at stride 1 are padded as 'same' does; the others by as much on all sides.
      pad: stride[0] === 1 ? ('same' as const) : padding[0],
      dimRoundingMode: stride[0] === 1 ? undefined : ('floor' as const),
      ...slopeOf(slope),
    };
    const mean = normalize && tf.tensor1d(normalize.mean.map((value) => 255 * value));
    const scale = normalize && tf.tensor1d(normalize.std.map((value) => 1 / (255 * value)));
    return (values) => {
      const given = values.get(x.id)!;
      const seen = mean && scale ? tf.mul(tf.sub(given, mean), scale) : given;
      values.set(end.id, tf.fused.conv2d({ x: seen as Core.Tensor4D, ...options }) as Core.Tensor4D);
    };
  };
  const stepOf = (node: OpNode): Step | undefined => {
    switch (node.op) {
      case 'fill':
      case 'foldCoefficients':
        return undefined;
      case 'conv2d':
        return convolution(node);
      case 'affine': {
        const { scale, shift } = normOf(node);
        const [factor, offset] = [tf.tensor1d(scale), tf.tensor1d(shift)];
        const { slope } = node.inputs;
        const alpha = slopeOf(slope).preluActivationWeights;
        return (values) => {
          const y = tf.add(tf.mul(values.get(node.inputs.x.id)!, factor), offset);
          values.set(node.outputs.y.id, (alpha ? tf.prelu(y, alpha) : y) as Core.Tensor4D);
        };
      }
      case 'prelu': {
        const alpha = tf.tensor1d(vector(node.inputs.slope));
        return (values) =>
          values.set(
            node.outputs.y.id,
            tf.prelu<Core.Tensor>(values.get(node.inputs.x.id)!, alpha) as Core.Tensor4D,
          );
      }
      case 'add': {
        const combine = node.attrs.sign === 1 ? tf.add : tf.sub;
        const { a, b } = node.inputs;
        return (values) =>
          values.set(node.outputs.y.id, combine(values.get(a.id)!, values.get(b.id)!) as Core.Tensor4D);
      }
      case 'concat': {
        const parts = Object.values(node.inputs) as Value[];
        return (values) =>
          values.set(
            node.outputs.y.id,
            tf.concat(
              parts.map(({ id }) => values.get(id)!),
              3,
            ),
          );
      }
      case 'split': {
        const outputs = Object.values(node.outputs) as Value[];
        const sizes = [...node.attrs.sizes];
        return (values) => {
          const parts = tf.split(values.get(node.inputs.x.id)!, sizes, 3);
          for (const [i, { id }] of outputs.entries()) values.set(id, parts[i] as Core.Tensor4D);
        };
      }
      case 'pyramidPool': {
        const { kernels, stride } = node.attrs;
        return (values) => {
          const pools = kernels.map((k) => {
            const around: [number, number] = [k >> 1, k >> 1];
            const padded = tf.pad(values.get(node.inputs.x.id)!, [[0, 0], around, around, [0, 0]]);
            return tf.avgPool(padded as Core.Tensor4D, k, stride, 'valid');
          });
          values.set(node.outputs.y.id, tf.addN(pools));
        };
      }
      default:
        throw new Error(`TensorFlow.js: the race has no counterpart of ${node.op}`);
    }
  };
  const steps: Step[] = [];
  for (const node of nodes) {
    const step = done.has(node) ? undefined : stepOf(node);
    if (step) steps.push(step);
  }
  return async (rgb: Uint8Array): Promise<Uint8Array> => {
    const labels = tf.tidy(() => {
      const values = new Map([
        [images.id, tf.cast(tf.tensor4d(rgb, [batch, height, width, 3], 'int32'), 'float32')],
      ]);
      for (const step of steps) step(values);
      const full = tf.image.resizeBilinear(values.get(logits.id)!, [height, width], false, true);
      return tf.argMax(full, 3);
    });
    const data = await labels.data();
    labels.dispose();
    return Uint8Array.from(data);
  };
}
