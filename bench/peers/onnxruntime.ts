/** ONNX Runtime on CPU cores: `node onnxruntime.js web` (WebAssembly) or `node` (native). */
import { readFile, writeFile } from 'node:fs/promises';
import type * as Ort from 'onnxruntime-web';
import { importPeer } from './programs.js';
import { serve } from './protocol.js';

const kind = process.argv[2];
let ort: typeof Ort;
let session: Ort.InferenceSession;
let dims: number[];

await serve({
  async load({ onnx, shape, threads }) {
    ort = kind === 'web' ? await import('onnxruntime-web') : await importPeer<typeof Ort>('onnxruntime-node');
    dims = [...shape, 3];
    if (kind === 'web') ort.env.wasm.numThreads = threads;
    session = await ort.InferenceSession.create(await readFile(onnx), {
      executionProviders: [kind === 'web' ? 'wasm' : 'cpu'],
      graphOptimizationLevel: 'all',
      intraOpNumThreads: threads,
    });
    return { version: (kind === 'web' ? ort.env.versions.web : ort.env.versions.node) ?? '' };
  },
  async run({ images, predicted }) {
    const input = await readFile(images);
    const start = performance.now();
    const results = await session.run({ images: new ort.Tensor('uint8', input, dims) });
    const output = results[session.outputNames[0]].data as Uint8Array | Float32Array;
    const ms = performance.now() - start;
    if (predicted) await writeFile(predicted, output);
    return { ms };
  },
});
