import { UserError } from '../errors.js';
import type { Shape } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { Network } from '../nets/network.js';
import { imageChannels, swapImageChannels } from './channels.js';
import { convolutionAxes } from './geometry.js';
import { tensorsOf } from './tensors.js';

/** A tensor of a foreign file: row-major, shape as its program has it. */
export interface ForeignTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Weights in this program's names and layouts, and what did not fit. */
export interface ImportedWeights {
  readonly weights: Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  /** Tensors of the file that the network has no use for. */
  readonly unused: readonly string[];
}

/**
 * Names of a network's tensors in a PyTorch `state_dict`. Convolutions have the same names; batch norm is `weight`,
 * `bias`, `running_mean`, `running_var`; where a batch norm and a PReLU share a block here, they are `bn` and `act`
 * there.
 */
export function pytorchNames(names: Iterable<string>): Map<string, string> {
  const all = new Set(names);
  const norm = { gamma: 'weight', beta: 'bias', mean: 'running_mean', variance: 'running_var' };
  const translate = (name: string): string => {
    const dot = name.lastIndexOf('.');
    const [block, last] = [name.slice(0, dot), name.slice(dot + 1)];
    const joint = all.has(`${block}.gamma`) && all.has(`${block}.slope`);
    if (last === 'slope') return `${block}${joint ? '.act' : ''}.weight`;
    if (last in norm) return `${block}${joint ? '.bn' : ''}.${norm[last as keyof typeof norm]}`;
    return name;
  };
  return new Map([...all].map((name) => [name, translate(name)]));
}

/** Values of `[out, in, height, width]` (transposed convolutions: `[in, out, …]`) as `[height, width, in, out]`. */
export function convolutionLayout({ shape, data }: ForeignTensor): Float32Array {
  const [outer, inner, height, width] = shape;
  const result = new Float32Array(data.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      for (let k = 0; k < height * width; k++) {
        result[(k * inner + i) * outer + o] = data[(o * inner + i) * height * width + k];
      }
    }
  }
  return result;
}

/**
 * Maps a `state_dict` onto a network: by name, with layouts changed and, where `order` is `bgr`, the image's channels
 * swapped in every tensor that sees them. One slope for all channels becomes one each.
 * @param file is what messages name.
 * @throws UserError naming every tensor that is missing, has another shape, or holds what is not a number.
 */
export function fromPytorch(
  network: Network,
  tensors: ReadonlyMap<string, ForeignTensor>,
  order: 'rgb' | 'bgr',
  file: string,
): ImportedWeights {
  const left = new Map(tensors);
  const slots = tensorsOf(network);
  const names = pytorchNames(slots.keys());
  const missing = [...names.values()].filter((name) => !left.has(name));
  if (missing.length > 0) {
    const foreign = new Set(names.values());
    const more = [...left.keys()].filter((name) => !foreign.has(name) && !isCounter(name));
    throw new UserError(
      `${file}: lacks ${missing.length} of the ${names.size} tensors of ${network.name}: ${missing.join(', ')}${more.length > 0 ? `; has instead: ${more.join(', ')}` : ''}`,
    );
  }
  const misfits: string[] = [];
  for (const [name, shape] of slots) {
    const tensor = left.get(names.get(name)!)!;
    const wanted = foreignShape(name, shape);
    const isShared = name.endsWith('.slope') && sizeOfAll(tensor.shape) === 1;
    if (tensor.shape.join('×') === wanted.join('×') || isShared) continue;
    misfits.push(
      `${names.get(name)} is ${tensor.shape.join('×') || 'a number'}, but ${network.name} needs ${wanted.join('×')}`,
    );
  }
  if (misfits.length > 0)
    throw new UserError(
      `${file}: ${misfits.join('; ')}; is it a checkpoint of this network, with as many classes?`,
    );
  const image = order === 'bgr' ? imageChannels(network) : new Map();
  const weights: ImportedWeights['weights'] = new Map();
  for (const [name, shape] of slots) {
    const foreign = names.get(name)!;
    const tensor = left.get(foreign)!;
    left.delete(foreign);
    const values = tensor.data;
    if (!values.every(Number.isFinite))
      throw new UserError(
        `${file}: ${foreign} holds numbers that are not finite; a training that diverged? Take another checkpoint`,
      );
    const data =
      tensor.shape.length === 4
        ? convolutionLayout({ shape: tensor.shape, data: values })
        : new Float32Array(sizeOf(shape));
    if (tensor.shape.length !== 4) {
      if (values.length === 1) data.fill(values[0]);
      else data.set(values);
    }
    const channels = image.get(name);
    if (channels) swapImageChannels(data, shape, channels);
    weights.set(name, { shape, data });
  }
  const unused = [...left.keys()].filter((name) => !isCounter(name));
  return { weights, unused };
}

const isCounter = (name: string): boolean => /(^|\.)num_batches_tracked$/.test(name);
const sizeOfAll = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** The shape that PyTorch has for a tensor of this program's name and shape. */
const foreignShape = (name: string, shape: Shape): number[] =>
  name.endsWith('.weight') ? [shape[3], shape[2], shape[0], shape[1]] : [sizeOf(shape)];

/** The reverse of {@link fromPytorch} for RGB: names and layouts of a `state_dict`. */
export function toPytorch(
  network: Network,
  weights: ReadonlyMap<string, Float32Array>,
): Map<string, ForeignTensor> {
  const slots = tensorsOf(network);
  const names = pytorchNames(slots.keys());
  return new Map(
    [...slots].map(([name, shape]) => {
      const data = weights.get(name)!;
      const [kh, kw, inner, outer] = shape;
      const isKernel = name.endsWith('.weight');
      const tensor = isKernel
        ? { shape: [outer, inner, kh, kw], data: convolutionAxes(data, shape) }
        : { shape: [data.length], data };
      return [names.get(name)!, tensor];
    }),
  );
}
