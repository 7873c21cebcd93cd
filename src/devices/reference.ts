import type { DeviceKind } from './kind.js';

const load = async () => (await import('../backends/reference/index.js')).referenceBackend;

/** float64 in plain TypeScript, slow, for comparisons; loaded when it is asked for. */
export const reference: DeviceKind<'reference'> = {
  name: 'reference',
  automatic: false,
  named: false,
  find: async () => ({ open: load }),
  scratchBytes: async () => (await load()).scratchBytes,
};
