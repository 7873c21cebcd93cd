import { UserError } from './errors.js';
import { Builder } from './graph/builder.js';
import type { Policy } from './graph/differentiate.js';
import { differentiate } from './graph/differentiate.js';
import { fuse } from './graph/fuse/index.js';
import { scaleLosses, storeHalf } from './graph/half.js';
import type { LossTerm } from './graph/losses.js';
import { emitLosses } from './graph/losses.js';
import { makeValue } from './graph/node.js';
import type { Pass, Watch } from './graph/passes.js';
import { runPasses } from './graph/passes.js';
import { plan } from './graph/plan.js';
import type { Plan, ScratchRule } from './graph/planned.js';
import { allowShortProducts } from './graph/short.js';
import type { Graph } from './ir/graph.js';
import type { Value } from './ir/value.js';
import type { Network } from './nets/network.js';
import type { OptimizerName } from './optimizers/index.js';
import { optimizerNamed } from './optimizers/index.js';
import { appendUpdate } from './optimizers/update.js';

export type { LossTerm } from './graph/losses.js';
export { lossKinds } from './graph/losses.js';

/** Label value without loss. */
export const IGNORE = 255;

/** What feature maps are stored as, or multiplied as. */
export type Precision = (typeof precisions)[number];
export const precisions = ['f32', 'f16', 'i16', 'i8'] as const;
/** Those that training knows. */
export const trainingPrecisions = ['f32', 'f16'] as const satisfies readonly Precision[];

/**
 * What the gradient is multiplied by on its way back in a plan with `precision: 'f16'`, initially: the content of the
 * slot `lossScale`. `grads` and the optimiser see it divided again.
 */
export const LOSS_SCALE = 2 ** 15;

export interface SizeOptions {
  /** Images per step. */
  readonly batch: number;
  /** Pixels; at least 32. */
  readonly height: number;
  readonly width: number;
  /**
   * What feature maps are stored as; default `f32`. With `f16` kernels still sum in float32, and parameters, their
   * gradients and statistics stay float32. A training plan then has the input `lossScale`, see {@link LOSS_SCALE}.
   * `i16` on CPU cores and `i8` on GPUs, for inference only: stored as float32, but convolutions may multiply integers of
   * that many bits (`products` in `ops/conv.ts`).
   */
  readonly precision?: Precision;
  /** The backend's need of private memory per call (`backend.scratchBytes`). */
  readonly scratchBytes: ScratchRule;
}

export interface TrainingOptions extends SizeOptions {
  /** Default `reversible`. */
  readonly policy?: Policy;
  /** What is minimised is their sum; the first is told as `loss`. Default cross-entropy. */
  readonly losses?: readonly LossTerm[];
  /** Of cross-entropy. Default 0. */
  readonly labelSmoothing?: number;
  /** Online hard example mining: the loss is that of the hard pixels, see `ops/ohem.ts`. Default: of all. */
  readonly hard?: { readonly threshold: number; readonly least: number };
  /** What the phase `update` does; default `adam`. */
  readonly optimizer?: OptimizerName;
  /** Keep an exponential moving average of parameters and running statistics (`optimizers/update.ts`). Default false. */
  readonly average?: boolean;
  /** Adds the input `classWeights` (`1×1×1×classes`). Default false. */
  readonly classWeights?: boolean;
}

export interface InferenceOptions extends SizeOptions {
  /** `labels`: u8 at input size (default); `logits`: what the head gives, at its own resolution. */
  readonly output?: 'labels' | 'logits';
  /** The memory of the images serves other tensors once they were read: they must be written before every run. Default false. */
  readonly consumesImages?: boolean;
}

function checkSize({ batch, height, width }: SizeOptions): void {
  if (!Number.isInteger(batch) || batch < 1)
    throw new UserError(`\`batch: ${batch}\`: expected a whole number ≥ 1`);
  if (!(Number.isInteger(height) && Number.isInteger(width) && height >= 32 && width >= 32)) {
    throw new UserError(`size ${height}x${width}: expected at least 32x32 pixels`);
  }
}

/**
 * The graph of one training step with its gradient, before placement. Exported for tools that look at graphs.
 * @param watch told the graph as built, and after every pass.
 */
export function trainingGraph(net: Network, options: TrainingOptions, watch?: Watch): Graph {
  checkSize(options);
  const { precision = 'f32' } = options;
  if (!trainingPrecisions.some((known) => known === precision)) {
    throw new UserError(
      `\`precision: '${precision}'\`: training needs float32 products; use it for inference`,
      2,
    );
  }
  const { batch, height, width, policy = 'reversible' } = options;
  const b = new Builder('train');
  const images = b.input('images', [batch, height, width, 3], 'u8');
  const labels = b.input('labels', [batch, height, width, 1], 'u8');
  const classWeights = options.classWeights
    ? b.input('classWeights', [1, 1, 1, net.classes], 'f32')
    : undefined;
  const logits = net.build(b, images);
  const { alignCorners } = net;
  const { labelSmoothing = 0, losses = [{ kind: 'ce' }] } = options;
  const lossAttrs = { ignore: IGNORE, labelSmoothing, alignCorners };
  const { hard } = options;
  const labelsFor = (logits: Value, label: string): Value =>
    hard
      ? b.emit('hardLabels', { logits, labels }, { ...hard, ignore: IGNORE, alignCorners }, { label }).hard
      : labels;
  const outputs: Record<string, Value> = {};
  const addLosses = (name: string, logits: Value, share?: number): void => {
    const inputs = { logits, labels, hard: labelsFor(logits, `${name}hard`), classWeights };
    const values = emitLosses(b, inputs, losses, lossAttrs, `${name}loss`, share);
    for (const [i, value] of values.entries()) {
      outputs[i === 0 ? `${name}loss` : `${name}loss.${i + 1}`] = value;
    }
  };
  addLosses('', logits);
  for (const { name, logits: side, weight } of b.auxiliaryLosses) addLosses(`${name}.`, side, weight);
  const half = precision === 'f16';
  const lossScale = half ? makeValue('lossScale', [1, 1, 1, 1], 'f32', 'input') : undefined;
  const passes: Pass[] = [
    ['differentiate', (graph) => differentiate(graph, policy)],
    ['fuse', fuse],
  ];
  if (lossScale) {
    passes.push(['float16', storeHalf], ['loss scale', (graph) => scaleLosses(graph, lossScale, LOSS_SCALE)]);
  }
  const { optimizer = 'adam', average } = options;
  const update = { optimizer: optimizerNamed(optimizer), lossScale, average };
  passes.push(['optimiser', (graph) => appendUpdate(graph, update)]);
  return runPasses(b.finish(outputs), passes, watch);
}

/** The plan of a training step: phases `forward`, `backward`, `update`. */
export const compileTraining = (net: Network, options: TrainingOptions): Plan =>
  plan(trainingGraph(net, options), options.scratchBytes);

/** The plan of inference: `prepare` once after weights were written, then `forward` per batch. */
export const compileInference = (net: Network, options: InferenceOptions): Plan =>
  plan(inferenceGraph(net, options), options.scratchBytes, options.consumesImages ? ['images'] : []);

/** The graph of inference, before placement. @param watch told the graph as built, and after every pass. */
export function inferenceGraph(net: Network, options: InferenceOptions, watch?: Watch): Graph {
  checkSize(options);
  const { batch, height, width, output = 'labels' } = options;
  const b = new Builder('infer');
  const images = b.input('images', [batch, height, width, 3], 'u8');
  const logits = net.build(b, images);
  const attrs = { height, width, alignCorners: net.alignCorners };
  const outputs: Record<string, Value> =
    output === 'logits'
      ? { logits }
      : { prediction: b.emit('resizeArgmax', { x: logits }, attrs, { label: 'argmax' }).labels };
  const precisionPasses: Readonly<Record<Precision, readonly Pass[]>> = {
    f32: [],
    f16: [['float16', storeHalf]],
    i16: [['short products', (graph) => allowShortProducts(graph, 'i16')]],
    i8: [['byte products', (graph) => allowShortProducts(graph, 'i8')]],
  };
  return runPasses(
    b.finish(outputs),
    [['fuse', fuse], ...precisionPasses[options.precision ?? 'f32']],
    watch,
  );
}
