import type { WebGpuBackend } from '../../src/backends/webgpu/index.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import type { Rng } from '../../src/data/rng.js';
import type { KernelName } from '../../src/ops/index.js';
import type { Layout, Tolerance } from './harness.js';
import { assertParity } from './harness.js';

/** `assertParity` of a call whose op and inputs are known to fit. */
const parity = assertParity as (
  backend: WebGpuBackend,
  op: KernelName,
  inputs: object,
  attrs: object,
  options: Parameters<typeof assertParity>[4],
) => Promise<void>;

/**
 * Compares a call as an adapter computes it where nothing was measured, and then in up to `most` of the other ways it has,
 * drawn by `rng`, first those whose names begin with `kind`: each is a shader to compile. Every other time with weights that are known before the run.
 */
export async function candidatesParity(
  backend: WebGpuBackend,
  rng: Rng,
  { op, inputs, attrs }: { readonly op: KernelName; readonly inputs: object; readonly attrs: object },
  { most, kind = '', ...tolerance }: Tolerance & { readonly most: number; readonly kind?: string },
): Promise<string[]> {
  const names: string[] = [];
  const layout: Layout = {
    constants: rng.chance(0.5) ? ['weight'] : [],
    algorithm(call) {
      names.push(...everyWay.of(call, backend.lowering.able).map(({ name }) => name));
      return names[0];
    },
  };
  await parity(backend, op, inputs, attrs, { ...tolerance, layout });
  const others = names.slice(1);
  const tested = [names[0]];
  const wanted = others.filter((name) => name.startsWith(kind));
  for (let i = 0; i < most && others.length > 0; i++) {
    const from = wanted.length > 0 ? wanted : others;
    const [name] = from.splice(rng.int(from.length), 1);
    const label = `${tolerance.label}, ${name}`;
    await parity(backend, op, inputs, attrs, {
      ...tolerance,
      label,
      layout: { ...layout, algorithm: () => name },
    });
    tested.push(name);
  }
  return tested;
}
