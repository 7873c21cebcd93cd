import { z } from 'zod';
import { UserError } from '../errors.js';
import { enet, enetConfig } from './enet.js';
import { erfnet, erfnetConfig } from './erfnet.js';
import { espnet, espnetConfig } from './espnet.js';
import type { Network } from './network.js';
import { vnet, vnetConfig } from './vnet.js';

export type { Network } from './network.js';

const networks: Readonly<Record<string, (config: unknown) => Network>> = {
  vnet: (config) => vnet(vnetConfig.parse(config)),
  enet: (config) => enet(enetConfig.parse(config)),
  espnet: (config) => espnet(espnetConfig.parse(config)),
  erfnet: (config) => erfnet(erfnetConfig.parse(config)),
};
/** Names that `networkFromConfig` knows. */
export const networkNames: readonly string[] = Object.keys(networks);

/** Rebuilds a network from its name and configuration; throws `UserError` naming what is wrong with it. */
export function networkFromConfig(name: string, config: unknown): Network {
  const make = networks[name];
  if (!make) throw new UserError(`unknown network ${name}: known are ${networkNames.join(', ')}`);
  try {
    return make(config);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    throw new UserError(`network ${name}: ${issue.path.join('.') || 'configuration'}: ${issue.message}`);
  }
}
