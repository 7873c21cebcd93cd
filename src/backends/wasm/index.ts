import { availableParallelism } from 'node:os';
import { UserError } from '../../errors.js';
import type { Backend } from '../backend.js';
import { hasHalf } from '../backend.js';
import { usableMemory } from '../hostMemory.js';
import { compile } from './program.js';
import { WasmExecutor } from './runtime/executor.js';
import type { Build } from './runtime/module.js';
import { hasRelaxedSimd, loadModule } from './runtime/module.js';
import { scratchBytes } from './table.js';

/** What 32-bit addresses reach. */
const addressableBytes = 2 ** 32;

/** The CPU: SIMD kernels in WebAssembly, on worker threads over shared memory. `build`: default, the best there is. */
export const createWasmBackend = (build?: Build): Backend => ({
  name: 'wasm',
  scratchBytes,
  usableBytes: () => Math.min(addressableBytes, usableMemory()),
  async prepare(plan, { threads = availableParallelism() } = {}) {
    if (!Number.isInteger(threads) || threads < 1) {
      throw new UserError(`\`threads\`: expected a whole number of at least 1, got ${threads}`, 2);
    }
    if (hasHalf(plan)) {
      throw new UserError(
        "`precision: 'f16'`: CPU cores have no float16; use `precision: 'f32'` or i16, or `device: 'webgpu'`",
      );
    }
    const module = await loadModule(build ?? (hasRelaxedSimd() ? 'relaxed' : 'plain'));
    return new WasmExecutor(plan, compile(plan), module, threads);
  },
});

export const wasmBackend: Backend = createWasmBackend();
