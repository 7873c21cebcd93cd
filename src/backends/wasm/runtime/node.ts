import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { usableMemory } from '../../hostMemory.js';
import type { Hand, Host, Vectors } from './host.js';
import { asking } from './largePages.js';
import type { Build } from './module.js';
import { relaxedProbe } from './module.js';
import { chooseVectors } from './wide.js';

const fileOf = (build: Build): URL => new URL(`../../../../wasm/${build}.wasm`, import.meta.url);

let vectors: Promise<Vectors> | undefined;

/** Node: worker threads, and kernels in the file system. */
export const nodeHost: Host = {
  cores: availableParallelism,
  usableBytes: usableMemory,
  hasRelaxedSimd() {
    if (WebAssembly.validate(relaxedProbe)) return true;
    // Node 20 needs a flag for it, which workers inherit.
    setFlagsFromString('--experimental-wasm-relaxed-simd');
    return WebAssembly.validate(relaxedProbe);
  },
  // What is compiled with the flag stays so: asked once, for all builds.
  async vectors() {
    vectors ??= readFile(fileOf('relaxed')).then(chooseVectors);
    return vectors;
  },
  loadModule: async (build) => WebAssembly.compile(await readFile(fileOf(build))),
  largePages: asking,
  threads: async () => start,
};

function start(): Hand {
  // Not the process's own arguments: some, such as --input-type, are refused by workers.
  const worker = new Worker(new URL('./nodeWorker.js', import.meta.url), { execArgv: [] });
  worker.unref();
  return {
    post: (request) => worker.postMessage(request),
    listen(reply, lost) {
      for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
      worker.on('message', reply);
      worker.on('error', lost);
      worker.on('exit', () => lost(new Error('a worker thread ended')));
      // Node counts a listener for messages as a reason to live.
      worker.unref();
    },
    hold: (alive) => (alive ? worker.ref() : worker.unref()),
    async end() {
      // An idle worker does not keep the process alive, not even to see its own end.
      worker.ref();
      await worker.terminate();
    },
  };
}
