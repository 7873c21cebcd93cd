import { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import type { Network } from '../nets/network.js';
import type { OpNode } from '../ops/index.js';
import { nodesOf } from '../ops/index.js';

/** Where the three channels of the image lie in a parameter or running statistic. */
export interface ImageChannels {
  /** Axis of the tensor: 2 for the inputs of a convolution, 3 for vectors. */
  readonly axis: 2 | 3;
  /** Place of the first of the three along that axis. */
  readonly first: number;
}

/**
 * The tensors of a network that see the channels of the image one to one (convolutions of it, and norms of feature
 * maps that a smaller image was joined to), by name. Swapping these channels everywhere makes a network that was
 * trained on BGR images take RGB.
 */
export function imageChannels(network: Network): Map<string, ImageChannels> {
  const b = new Builder('infer');
  const images = b.input('images', [1, 64, 64, 3], 'u8');
  const graph = b.finish({ logits: network.build(b, images) });
  const folded = new Map<number, OpNode>();
  for (const node of nodesOf(graph))
    if (node.op === 'foldCoefficients') folded.set(node.outputs.scale.id, node);

  const first = new Map<number, number>([[images.id, 0]]);
  const found = new Map<string, ImageChannels>();
  const mark = (value: Value | undefined, axis: 2 | 3, at: number): void => {
    if (value) found.set(value.name, { axis, first: at });
  };
  for (const node of nodesOf(graph)) {
    if (node.op === 'concat') {
      let offset = 0;
      for (const part of Object.values(node.inputs)) {
        const at = first.get(part.id);
        if (at !== undefined) first.set(node.outputs.y.id, offset + at);
        offset += part.shape[3];
      }
      continue;
    }
    const { x } = node.inputs as { x?: Value };
    const at = x && first.get(x.id);
    if (at === undefined) continue;
    switch (node.op) {
      case 'conv2d':
        mark(node.inputs.weight, 2, at);
        continue;
      case 'affine': {
        const fold = folded.get(node.inputs.scale.id);
        for (const value of Object.values(fold?.inputs ?? {}) as Value[]) mark(value, 3, at);
        mark(node.inputs.slope, 3, at);
        break;
      }
      case 'prelu':
        mark(node.inputs.slope, 3, at);
        break;
    }
    const { y } = node.outputs as { y?: Value };
    if (y && y.shape[3] === x!.shape[3]) first.set(y.id, at);
  }
  return found;
}

/** Swaps the first and the last of the three channels in place. `shape`: of the tensor, four axes. */
export function swapImageChannels(
  data: Float32Array,
  shape: readonly number[],
  { axis, first }: ImageChannels,
): void {
  const inner = axis === 2 ? shape[3] : 1;
  const length = shape[axis];
  for (let start = 0; start < data.length; start += length * inner) {
    for (let i = 0; i < inner; i++) {
      const red = start + first * inner + i;
      const blue = red + 2 * inner;
      [data[red], data[blue]] = [data[blue], data[red]];
    }
  }
}
