/** TensorFlow.js on its WebAssembly backend. The network is written with its fused kernels, batch norms folded. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeSafetensors } from '../../src/model/safetensors.js';
import { imageNorm } from '../../src/nets/normalization.js';
import type { VNetConfig } from '../../src/nets/vnet.js';
import { importPeer, resolvePeer } from './programs.js';
import { serve } from './protocol.js';

/** The little of TensorFlow.js that is used here. */
interface Tensor {
  dispose(): void;
  data(): Promise<Int32Array>;
}
interface ConvSpec {
  x: Tensor;
  filter: Tensor;
  strides: number;
  pad: 'valid' | number[][];
  dilations?: [number, number];
  bias?: Tensor;
  activation?: 'prelu';
  preluActivationWeights?: Tensor;
}
interface TensorFlow {
  version_core: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tidy(body: () => Tensor): Tensor;
  tensor(data: Float32Array | Uint8Array, shape: number[], dtype?: 'float32' | 'int32'): Tensor;
  cast(x: Tensor, dtype: 'float32'): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  prelu(x: Tensor, slope: Tensor): Tensor;
  pad(x: Tensor, pads: number[][]): Tensor;
  avgPool(x: Tensor, size: number, strides: number, pad: 'valid'): Tensor;
  concat(parts: Tensor[], axis: number): Tensor;
  split(x: Tensor, parts: number, axis: number): Tensor[];
  argMax(x: Tensor, axis: number): Tensor;
  fused: { conv2d(spec: ConvSpec): Tensor };
  image: { resizeBilinear(x: Tensor, size: number[], alignCorners: boolean, halfPixels: boolean): Tensor };
}
interface WasmBackend {
  setWasmPaths(folder: string): void;
  setThreadsCount(threads: number): void;
}

let tf: TensorFlow;
let network: (images: Tensor) => Tensor;
let dims: number[];

/** Same padding on both sides, of a 3-tap kernel. */
const padded = (vertical: number, horizontal: number) => [
  [0, 0],
  [vertical, vertical],
  [horizontal, horizontal],
  [0, 0],
];

type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

function build(config: VNetConfig, weights: Weights, height: number, width: number) {
  const at = (name: string) => weights.get(name)!;
  const vector = (data: Float32Array) => tf.tensor(data, [data.length]);
  /** Batch norm as `scale·x + shift`. */
  const norm = (name: string) => {
    const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(
      (part) => at(`${name}.${part}`).data,
    );
    const scale = gamma.map((g, c) => g / Math.sqrt(variance[c] + 1e-5));
    return { scale, shift: beta.map((b, c) => b - mean[c] * scale[c]) };
  };
  const scaled = (name: string, scale: Float32Array) => {
    const { shape, data } = at(`${name}.weight`);
    return tf.tensor(
      data.map((w, i) => w * scale[i % scale.length]),
      [...shape],
    );
  };
  const conv3 = (i: number, stride: number) => {
    const { scale, shift } = norm(`stem.norm${i}`);
    const filter = scaled(`stem.conv${i}`, scale);
    const [bias, preluActivationWeights] = [vector(shift), vector(at(`stem.norm${i}.slope`).data)];
    const pad = padded(1, 1);
    return (x: Tensor) =>
      tf.fused.conv2d({ x, filter, strides: stride, pad, bias, activation: 'prelu', preluActivationWeights });
  };
  const cpp = (name: string) => {
    const { scale, shift } = norm(`${name}.norm`);
    const slope = at(`${name}.norm.slope`).data;
    const count = at(`${name}.pointwise.weight`).shape[3];
    const filter = scaled(`${name}.pointwise`, scale.slice(0, count));
    const [bias, preluActivationWeights] = [shift, slope].map((v) => vector(v.slice(0, count)));
    const [poolScale, poolShift, poolSlope] = [scale, shift, slope].map((v) => vector(v.slice(count)));
    return (x: Tensor) => {
      const pools = config.pyramid.map((k) => tf.avgPool(tf.pad(x, padded(k >> 1, k >> 1)), k, 2, 'valid'));
      const pooled = tf.prelu(tf.add(tf.mul(pools.reduce(tf.add), poolScale), poolShift), poolSlope);
      const pointwise = tf.fused.conv2d({
        x,
        filter,
        strides: 2,
        pad: 'valid',
        bias,
        activation: 'prelu',
        preluActivationWeights,
      });
      return tf.concat([pointwise, pooled], 3);
    };
  };
  const half = (name: string, d: number) => {
    const { scale, shift } = norm(`${name}.norm`);
    const { shape, data } = at(`${name}.conv1.weight`);
    const first = tf.tensor(data, [...shape]);
    const second = scaled(`${name}.conv2`, scale);
    const [slope, bias] = [vector(at(`${name}.act.slope`).data), vector(shift)];
    return (x: Tensor) => {
      const y = tf.fused.conv2d({
        x,
        filter: first,
        strides: 1,
        pad: padded(d, 0),
        dilations: [d, 1],
        activation: 'prelu',
        preluActivationWeights: slope,
      });
      return tf.fused.conv2d({
        x: y,
        filter: second,
        strides: 1,
        pad: padded(0, d),
        dilations: [1, d],
        bias,
      });
    };
  };
  const vModules = (stage: string, count: number, dilations: readonly (readonly [number, number])[]) => {
    const modules = Array.from({ length: count }, (_, i) => {
      const [f, g] = dilations[i % dilations.length];
      return [half(`${stage}.v${i + 1}.F`, f), half(`${stage}.v${i + 1}.G`, g)] as const;
    });
    return (x: Tensor) => {
      let [x1, x2] = tf.split(x, 2, 3);
      for (const [f, g] of modules) {
        x1 = tf.add(x1, f(x2));
        x2 = tf.add(x2, g(x1));
      }
      return tf.concat([x1, x2], 3);
    };
  };
  const scale = vector(Float32Array.from(imageNorm.std, (std) => 1 / (255 * std)));
  const shift = vector(Float32Array.from(imageNorm.mean, (mean, c) => -mean / imageNorm.std[c]));
  const { shape, data } = at('head.weight');
  const [filter, bias] = [tf.tensor(data, [...shape]), vector(at('head.bias').data)];
  const layers = [
    (x: Tensor) => tf.add(tf.mul(tf.cast(x, 'float32'), scale), shift),
    ...[2, 1, 1].map((stride, i) => conv3(i + 1, stride)),
    cpp('stage2.cpp'),
    vModules('stage2', config.alpha, config.dilations2),
    cpp('stage3.cpp'),
    vModules('stage3', config.beta, config.dilations3),
    (x: Tensor) => tf.fused.conv2d({ x, filter, strides: 1, pad: 'valid', bias }),
    (x: Tensor) => tf.argMax(tf.image.resizeBilinear(x, [height, width], false, true), 3),
  ];
  return (x: Tensor) => layers.reduce((value, layer) => layer(value), x);
}

await serve({
  async load({ config, weights, shape, threads }) {
    tf = await importPeer<TensorFlow>('@tensorflow/tfjs-core');
    const backend = '@tensorflow/tfjs-backend-wasm';
    const wasm = await importPeer<WasmBackend>(backend);
    wasm.setWasmPaths(`${dirname(resolvePeer(backend))}/`);
    wasm.setThreadsCount(threads);
    if (!(await tf.setBackend('wasm'))) throw new Error('Error: TensorFlow.js has no wasm backend here');
    await tf.ready();
    const [, height, width] = shape;
    const { tensors } = decodeSafetensors(await readFile(weights), weights);
    dims = [...shape, 3];
    network = build(config as unknown as VNetConfig, tensors, height, width);
    return { version: tf.version_core };
  },
  async run({ images, predicted }) {
    const input = await readFile(images);
    const start = performance.now();
    const labels = tf.tidy(() => network(tf.tensor(input, dims, 'int32')));
    const output = Uint8Array.from(await labels.data());
    const ms = performance.now() - start;
    labels.dispose();
    if (predicted) await writeFile(predicted, output);
    return { ms };
  },
});
