/** TensorFlow.js on its WebAssembly backend. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeSafetensors } from '../../src/model/safetensors.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { importPeer, resolvePeer } from './programs.js';
import { serve } from './protocol.js';
import type { TensorFlow, TensorFlowWasm } from './tensorflow.js';
import { startTensorFlow, tensorFlowNetwork } from './tensorflow.js';

let predict: (rgb: Uint8Array) => Promise<Uint8Array>;

await serve({
  async load({ network: name, config, weights: file, shape, threads }) {
    const tf = await importPeer<TensorFlow>('@tensorflow/tfjs-core');
    const backend = '@tensorflow/tfjs-backend-wasm';
    const wasm = await importPeer<TensorFlowWasm>(backend);
    await startTensorFlow(tf, wasm, `${dirname(resolvePeer(backend))}/`, threads);
    const { tensors } = decodeSafetensors(await readFile(file), file);
    const weights = new Map([...tensors].map(([name, { data }]) => [name, data]));
    const [batch, height, width] = shape;
    predict = tensorFlowNetwork(tf, networkFromConfig(name, config), weights, [batch, height, width]);
    return { version: tf.version_core };
  },
  async run({ images, predicted }) {
    const input = await readFile(images);
    const start = performance.now();
    const output = await predict(input);
    const ms = performance.now() - start;
    if (predicted) await writeFile(predicted, output);
    return { ms };
  },
});
