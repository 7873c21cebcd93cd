import type { Backend, Executor } from './backends/backend.js';
import { checkBatch, checkPicture } from './backends/memory.js';
import type { InferenceOptions, SizeOptions, TrainingOptions } from './compile.js';
import { compileInference, compileTraining } from './compile.js';
import type { Place } from './device.js';
import { deviceAt } from './device.js';
import type { Plan } from './graph/planned.js';
import { initialWeights } from './nets/initialize.js';
import type { Network } from './nets/network.js';

/** Where and with what a compiled network runs. */
export interface RunOn extends Place {
  /** Worker threads of the CPU backend; results do not depend on it. Default: the machine's cores. */
  readonly threads?: number;
  /** Parameters and running statistics by slot name, such as `Model.weights`. Default: fresh ones from `seed`. */
  readonly weights?: ReadonlyMap<string, Float32Array>;
  /** Of fresh weights. Default 1. */
  readonly seed?: number;
}

/** Options of {@link compile}. Sizes in pixels, at least 32. */
export type CompileOptions = RunOn &
  (
    | ({ readonly mode: 'train' } & Omit<TrainingOptions, 'scratchBytes'>)
    | ({ readonly mode: 'infer' } & Omit<InferenceOptions, 'scratchBytes'>)
  );

/**
 * Plans a network for one size and prepares it on a device, weights loaded: ready to run.
 *
 * - `train`: write `images` (u8 `N×H×W×3`), `labels` (u8 `N×H×W`, 255 is ignored) and `hyper` (see `hyperOf`), run
 *   the phases `forward`, `backward`, `update`; `loss` holds the mean cross-entropy and the number of labelled pixels.
 * - `infer`: write `images`, run `forward`; `prediction` holds u8 labels `N×H×W` (or `logits`, as asked).
 *
 * `executor.plan` tells the exact memory before any of it is touched.
 * @throws UserError for sizes that cannot be, or more memory than the device gives, or a device that cannot be had.
 */
export async function compile(network: Network, options: CompileOptions): Promise<Executor> {
  const { threads, seed = 1 } = options;
  const device = await deviceAt(options);
  const plan = planFor(network, options, device);
  const executor = await device.prepare(plan, { threads });
  for (const [name, data] of options.weights ?? initialWeights(plan, seed)) executor.write(name, data);
  if (options.mode === 'infer') await executor.run('prepare');
  return executor;
}

/** The plan, if the device has the memory for it. */
function planFor(network: Network, options: CompileOptions, { scratchBytes, usableBytes }: Backend): Plan {
  const { batch, height, width } = options;
  const make = (size: SizeOptions): Plan =>
    options.mode === 'train'
      ? compileTraining(network, { ...options, ...size })
      : compileInference(network, { ...options, ...size });
  const plan = make({ batch, height, width, scratchBytes });
  if (options.mode === 'train' || batch > 1) {
    const bytesOf = (batch: number) => make({ batch, height, width, scratchBytes }).arenaBytes;
    checkBatch(batch, (n) => (n === batch ? plan.arenaBytes : bytesOf(n)), usableBytes());
  } else {
    const bytesOf = (height: number, width: number) =>
      make({ batch, height, width, scratchBytes }).arenaBytes;
    checkPicture({ height, width }, plan.arenaBytes, bytesOf, usableBytes());
  }
  return plan;
}
