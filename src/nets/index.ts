import { bisenetR18, bisenetX39 } from './bisenet.js';
import type { NetworkKind } from './define.js';
import { networkOfKind } from './define.js';
import { enet } from './enet.js';
import { erfnet } from './erfnet.js';
import { espnet } from './espnet.js';
import { icnet } from './icnet.js';
import type { Network } from './network.js';
import { pspnet } from './pspnet.js';
import { segnet } from './segnet.js';
import { vnet } from './vnet.js';

export type { Network } from './network.js';

/** Every kind of network of this package. */
export const networks: readonly NetworkKind[] = [
  vnet,
  enet,
  espnet,
  erfnet,
  segnet,
  icnet,
  bisenetR18,
  bisenetX39,
  pspnet,
];

/** Names that `networkFromConfig` knows. */
export const networkNames: readonly string[] = networks.map(({ name }) => name);

/**
 * Rebuilds a network from its name and configuration.
 * @param own kinds of your own, beside those of this package.
 * @throws UserError naming what is wrong with it.
 */
export function networkFromConfig(name: string, config: unknown, own: readonly NetworkKind[] = []): Network {
  return networkOfKind(name, config, [...own, ...networks]);
}
