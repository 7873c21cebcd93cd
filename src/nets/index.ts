import { z } from 'zod';
import { UserError } from '../errors.js';
import { bisenetConfig, bisenetR18, bisenetX39 } from './bisenet.js';
import { enet, enetConfig } from './enet.js';
import { erfnet, erfnetConfig } from './erfnet.js';
import { espnet, espnetConfig } from './espnet.js';
import { icnet, icnetConfig } from './icnet.js';
import type { Network } from './network.js';
import { pspnet, pspnetConfig } from './pspnet.js';
import { segnet, segnetConfig } from './segnet.js';
import { vnet, vnetConfig } from './vnet.js';

export type { Network } from './network.js';

const networks: Readonly<Record<string, (config: unknown) => Network>> = {
  vnet: (config) => vnet(vnetConfig.parse(config)),
  enet: (config) => enet(enetConfig.parse(config)),
  espnet: (config) => espnet(espnetConfig.parse(config)),
  erfnet: (config) => erfnet(erfnetConfig.parse(config)),
  segnet: (config) => segnet(segnetConfig.parse(config)),
  icnet: (config) => icnet(icnetConfig.parse(config)),
  'bisenet-r18': (config) => bisenetR18(bisenetConfig.parse(config)),
  'bisenet-x39': (config) => bisenetX39(bisenetConfig.parse(config)),
  pspnet: (config) => pspnet(pspnetConfig.parse(config)),
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
