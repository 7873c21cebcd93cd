import { Builder } from '../graph/builder.js';
import type { Shape } from '../ir/value.js';
import type { Network } from '../nets/network.js';

/** Names and shapes of a network's parameters and running statistics, which no size of the images changes. */
export function tensorsOf(network: Network): ReadonlyMap<string, Shape> {
  const b = new Builder('infer');
  const images = b.input('images', [1, 32, 32, 3], 'u8');
  const { params, states } = b.finish({ logits: network.build(b, images) });
  return new Map([...params, ...states].map(({ name, shape }) => [name, shape]));
}
