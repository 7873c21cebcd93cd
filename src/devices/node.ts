import { webgpu } from './dawn.js';
import { reference } from './reference.js';
import { wasm } from './wasm.js';

export { listGpus, tuneGpu } from './dawn.js';

/** Every kind of device in Node, in the order in which `auto` tries them. */
export const devices = [webgpu, wasm, reference] as const;
