import type { Node, Operands, Phase } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { prelu, preluGrad } from './activation.js';
import { adam } from './adam.js';
import { adaptivePool, adaptivePoolGrad } from './adaptive.js';
import { average } from './average.js';
import { fill } from './constant.js';
import { conv2d, conv2dGradInput, conv2dGradWeight, scaleWeight, sumPixels } from './conv.js';
import { dice } from './dice.js';
import { countStep, dropoutMask } from './dropout.js';
import { focal } from './focal.js';
import { multiply, multiplySum } from './gate.js';
import { guard } from './guard.js';
import { normalizeImage } from './image.js';
import { crossEntropy } from './loss.js';
import { lovasz } from './lovasz.js';
import { maxGather, maxPool, maxUnpool } from './maxpool.js';
import {
  affine,
  batchNorm,
  batchNormGrad,
  batchStats,
  foldCoefficients,
  normCoefficients,
  runningStats,
} from './norm.js';
import { hardLabels } from './ohem.js';
import type { OpDef } from './op.js';
import { pointwiseOps } from './pointwise/index.js';
import { pyramidPool, pyramidPoolGrad } from './pool.js';
import { relu } from './relu.js';
import { rescale } from './rescale.js';
import { resizeArgmax, resizeBilinear, resizeBilinearGrad } from './resize.js';
import { sgd } from './sgd.js';
import { upsampleTaps, weightPart } from './taps.js';
import { add, concat, copy, scale, split } from './view.js';

/** Every operation by name. The same names are the files and tables of each backend. */
export const ops = {
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
  sumPixels,
  scaleWeight,
  prelu,
  preluGrad,
  batchStats,
  runningStats,
  batchNorm,
  batchNormGrad,
  normCoefficients,
  foldCoefficients,
  affine,
  pyramidPool,
  pyramidPoolGrad,
  resizeBilinear,
  resizeBilinearGrad,
  resizeArgmax,
  weightPart,
  upsampleTaps,
  crossEntropy,
  focal,
  dice,
  lovasz,
  hardLabels,
  concat,
  split,
  copy,
  add,
  scale,
  rescale,
  guard,
  adam,
  sgd,
  average,
  ...pointwiseOps,
  relu,
  multiply,
  multiplySum,
  maxPool,
  maxUnpool,
  maxGather,
  adaptivePool,
  adaptivePoolGrad,
  countStep,
  dropoutMask,
  fill,
  normalizeImage,
} as const;

export type OpName = keyof typeof ops;
export type InputsOf<K extends OpName> =
  (typeof ops)[K] extends OpDef<infer I, infer _O, infer _A> ? I : never;
export type OutputsOf<K extends OpName> =
  (typeof ops)[K] extends OpDef<infer _I, infer O, infer _A> ? O : never;
export type AttrsOf<K extends OpName> =
  (typeof ops)[K] extends OpDef<infer _I, infer _O, infer A> ? A : never;

interface NodeOf<K extends OpName> {
  readonly id: number;
  readonly op: K;
  readonly label: string;
  readonly phase: Phase;
  readonly inputs: InputsOf<K>;
  readonly outputs: OutputsOf<K>;
  readonly attrs: AttrsOf<K>;
}

/** A node of the graph, discriminated by `op`. */
export type OpNode = { [K in OpName]: NodeOf<K> }[OpName];
/** The node type of one operation. */
export type NodeFor<K extends OpName> = Extract<OpNode, { op: K }>;

/** An operation whose operands are looked up by name. */
export type AnyOp = OpDef<Operands, Readonly<Record<string, Value>>, object>;
/** What the op of a node says. The one place where a node's name is trusted to be an op's. */
export const opOf = (node: Node): AnyOp => ops[node.op as OpName] as unknown as AnyOp;

/** A graph's nodes by their ops. */
export const nodesOf = (graph: { readonly nodes: readonly Node[] }): readonly OpNode[] =>
  graph.nodes as readonly unknown[] as readonly OpNode[];

/** Ops that exist in plans: views are resolved by the planner, `batchNorm` and `relu` have a rule `lower`. */
export type KernelName = Exclude<OpName, 'concat' | 'split' | 'batchNorm' | 'relu'>;

/** Appends a node to the graph under construction and returns its outputs. */
export type EmitOp = <K extends OpName>(
  op: K,
  inputs: InputsOf<K>,
  attrs: AttrsOf<K>,
  options?: { label?: string; phase?: Phase },
) => OutputsOf<K>;
