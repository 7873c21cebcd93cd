import type { DeviceName } from '../device.js';
import type { DeviceKind } from './kind.js';
import { webgpu } from './navigator.js';

export { listGpus } from './navigator.js';

/** Every kind of device in a browser, in the order in which `auto` tries them. */
export const devices: readonly DeviceKind<DeviceName>[] = [webgpu];
