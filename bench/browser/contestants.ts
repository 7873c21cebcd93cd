/** In the page of the race: programs that turn the RGB bytes of a picture into labels. */
import * as wasm from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-web/webgpu';
import { Segmenter } from '../../src/browser.js';
import { modelOf } from '../../src/model/model.js';
import { decodeModel } from '../../src/segmenter/browser.js';
import { startTensorFlow, tensorFlowNetwork } from '../peers/tensorflow.js';

export interface Contestant {
  /** From RGB bytes to a class a pixel. */
  readonly run: (rgb: Uint8Array) => Promise<Uint8Array>;
  /** What it says of itself: threads, GPU. */
  readonly says: string;
}

export interface Start {
  readonly height: number;
  readonly width: number;
  readonly threads: number;
  /** Part of a GPU's name; `''`: none. */
  readonly gpu: string;
}

const vnet =
  (options: object) =>
  async ({ height, width, threads, gpu }: Start): Promise<Contestant> => {
    const place = gpu ? { device: 'webgpu', gpu } : { device: 'wasm', threads };
    const segmenter = await Segmenter.load({
      model: '/model.safetensors',
      assets: '/vnet/',
      ...place,
      ...options,
    } as object);
    const { device } = segmenter;
    return {
      run: async (data) => (await segmenter.segment({ width, height, data }, { resize: 'own' })).labels,
      says: device.gpu ?? `${device.threads} threads`,
    };
  };

async function onnxruntime({ height, width, threads, gpu }: Start): Promise<Contestant> {
  ort.env.wasm.wasmPaths = '/ort/';
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(`/model-${height}x${width}.onnx`, {
    executionProviders: [gpu ? 'webgpu' : 'wasm'],
    graphOptimizationLevel: 'all',
  });
  return {
    async run(rgb) {
      const images = new ort.Tensor('uint8', rgb, [1, height, width, 3]);
      const { labels } = await session.run({ images });
      return (await labels.getData()) as Uint8Array;
    },
    says: gpu ? 'WebGPU' : `${ort.env.wasm.numThreads} threads`,
  };
}

async function tensorflow({ height, width, threads }: Start): Promise<Contestant> {
  // It takes at most half as many threads as the browser names processors.
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 * threads, configurable: true });
  await startTensorFlow(tf, wasm, '/tf/', threads);
  // The browser's own is back.
  Reflect.deleteProperty(navigator, 'hardwareConcurrency');
  const bytes = new Uint8Array(await (await fetch('/model.safetensors')).arrayBuffer());
  const model = modelOf(await decodeModel(bytes, 'the model'), 'the model');
  const run = tensorFlowNetwork(tf, model.network, model.weights, [1, height, width]);
  return { run, says: `${wasm.getThreadsCount()} threads` };
}

export const contestants = {
  vnet: vnet({}),
  'vnet i16': vnet({ precision: 'i16' }),
  'onnxruntime-web': onnxruntime,
  'TensorFlow.js': tensorflow,
};
export type Name = keyof typeof contestants;

export interface Turns {
  readonly rounds: number;
  /** Before each turn, for threads that still spin. */
  readonly pauseMs: number;
  /** Pictures before the one that is timed: with some, a picture of a stream; with none, one after a pause. */
  readonly before: number;
}

/** Opens those that are named, checks their labels against the first one's, and times them in turn. */
export async function race(names: readonly Name[], start: Start, { rounds, pauseMs, before }: Turns) {
  const picture = await createImageBitmap(await (await fetch('/picture.png')).blob());
  const context = new OffscreenCanvas(start.width, start.height).getContext('2d')!;
  context.drawImage(picture, 0, 0, start.width, start.height);
  const rgba = context.getImageData(0, 0, start.width, start.height).data;
  const rgb = Uint8Array.from(
    { length: 3 * start.width * start.height },
    (_, i) => rgba[4 * Math.floor(i / 3) + (i % 3)],
  );
  const opened = await Promise.all(names.map((name) => contestants[name](start)));
  const labels: Uint8Array[] = [];
  for (const { run } of opened) labels.push(Uint8Array.from(await run(rgb)));
  const equal = labels.map((own) => own.filter((id, i) => id === labels[0][i]).length / own.length);
  const times = names.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { run }] of opened.entries()) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      for (let picture = 0; picture < before; picture++) await run(rgb);
      const began = performance.now();
      await run(rgb);
      if (round >= 0) times[i].push(performance.now() - began);
    }
  }
  return names.map((name, i) => ({ name, says: opened[i].says, equal: equal[i], times: times[i] }));
}
