/** This project, as one of the programs in a race; an argument chooses `i16` products or the `save` policy. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Executor } from '../../src/backends/backend.js';
import { decodeSafetensors } from '../../src/model/safetensors.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { compile } from '../../src/run.js';
import type { Mode } from './protocol.js';
import { serve } from './protocol.js';

let executor: Executor;
let mode: Mode;
/** What predictions are read into, as a stream does. */
let output: Float32Array | Uint8Array | undefined;
const precision = process.argv.includes('i16') ? 'i16' : 'f32';
const policy = process.argv.includes('save') ? 'save' : 'reversible';
/** Learning rate, β₁, β₂, ε, weight decay, and the bias corrections of the first step. */
const hyper = Float32Array.of(5e-4, 0.9, 0.999, 1e-8, 1e-4, 0, 0.1, 0.001);

await serve({
  async load({ network: name, config, weights, shape, threads, ...command }) {
    mode = command.mode;
    const [batch, height, width] = shape;
    const size = { batch, height, width, threads };
    const network = networkFromConfig(name, config);
    executor = await compile(
      network,
      mode === 'train'
        ? { mode, policy, ...size }
        : { mode: 'infer', output: mode === 'logits' ? 'logits' : 'labels', precision, ...size },
    );
    const { tensors } = decodeSafetensors(await readFile(weights), weights);
    for (const [name, { data }] of tensors) executor.write(name, data);
    if (mode !== 'train') await executor.run('prepare');
    return { version: '' };
  },
  async run({ images, labels, predicted }) {
    const [input, truth] = await Promise.all([readFile(images), readFile(labels)]);
    const start = performance.now();
    executor.write('images', input);
    if (mode === 'train') {
      executor.write('labels', truth);
      executor.write('hyper', hyper);
      await executor.run('forward', 'backward', 'update');
      const [loss] = await executor.read('loss');
      return { ms: performance.now() - start, loss };
    }
    await executor.run('forward');
    output = await executor.read(mode === 'logits' ? 'logits' : 'prediction', output);
    const ms = performance.now() - start;
    if (predicted) await writeFile(predicted, output);
    return { ms };
  },
});
