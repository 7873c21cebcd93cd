import { UserError } from '../../errors.js';
import type { Backend } from '../backend.js';
import { hasHalf, hasProducts } from '../backend.js';
import { compile } from './program.js';
import { WasmExecutor } from './runtime/executor.js';
import type { Host, Vectors } from './runtime/host.js';
import type { Build } from './runtime/module.js';
import { scratchBytes } from './table.js';

/** What 32-bit addresses reach. */
const addressableBytes = 2 ** 32;

/** CPU cores of a host, over SIMD kernels in WebAssembly. `build`: default, the best there is. */
export function wasmBackendOn(host: Host, build?: Build): Backend {
  const modules = new Map<Build, Promise<WebAssembly.Module>>();
  const load = (build: Build): Promise<WebAssembly.Module> => {
    let module = modules.get(build);
    if (!module) {
      module = host.loadModule(build);
      modules.set(build, module);
      // What could not be had now may be there at the next try.
      module.catch(() => modules.delete(build));
    }
    return module;
  };
  const chosen = () => build ?? (host.hasRelaxedSimd() ? 'relaxed' : 'plain');
  const vectors = (): Promise<Vectors> => host.vectors(chosen());
  return {
    name: 'wasm',
    scratchBytes,
    usableBytes: () => Math.min(addressableBytes, host.usableBytes()),
    vectors,
    threads: async (wanted) => ((await host.threads(wanted)) ? (wanted ?? host.cores()) : 1),
    async prepare(plan, { threads: wanted } = {}) {
      if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 1)) {
        throw new UserError(`\`threads\`: expected a whole number of at least 1, got ${wanted}`, 2);
      }
      if (hasHalf(plan)) {
        throw new UserError(
          "`precision: 'f16'`: CPU cores have no float16; use `precision: 'f32'` or i16, or `device: 'webgpu'`",
        );
      }
      if (hasProducts(plan, 'i8')) {
        throw new UserError(
          "`precision: 'i8'`: CPU cores have no kernels for it; use `precision: 'i16'` or f32, or `device: 'webgpu'`",
        );
      }
      const start = await host.threads(wanted);
      const threads = start ? (wanted ?? host.cores()) : 1;
      const { bits, pixels } = await vectors();
      const blocks = { wide: bits === 256, tall: pixels === 6 };
      const [module, ask] = await Promise.all([load(chosen()), host.largePages?.()]);
      return new WasmExecutor(
        plan,
        compile(plan, threads),
        module,
        blocks,
        threads,
        ask,
        start,
        host.cores(),
      );
    },
  };
}
