import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Program } from './process.js';
import type { Mode } from './protocol.js';

const script = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const python = process.env.PYTHON ?? 'python3';
const torch = 'bench/peers/torch_vnet.py';

/** This project with 16-bit products: rounded, so its results are compared less strictly. */
export const short = 'vnet --precision i16';
/** This project, keeping activations as the other programs do. */
const saving = 'vnet --policy save';

/** Programs that can do each kind of job with a network. `vnet` is this project and comes first. */
export function programsFor(mode: Mode, network: string): Program[] {
  const node = (name: string, ...args: string[]) => ({ name, command: process.execPath, args });
  const ours = node('vnet', script('vnet'));
  const pytorch = ['channels-last', 'NCHW'].map((layout) => ({
    name: `PyTorch ${layout}`,
    command: python,
    args: [torch, layout],
  }));
  if (mode === 'train') return [ours, node(saving, script('vnet'), 'save'), ...pytorch];
  const integers = node(short, script('vnet'), 'i16');
  const onnx = ['web', 'node'].map((kind) => node(`onnxruntime-${kind}`, script('onnxruntime'), kind));
  // The others hold VNet only.
  if (mode === 'logits') return [ours, ...onnx];
  if (network !== 'vnet') return [ours, integers, ...onnx];
  return [ours, integers, ...pytorch, ...onnx, node('TensorFlow.js wasm', script('tfjs'))];
}

/**
 * Imports a package of this project, or else of the folder that `PEERS` names: peers that this project does not
 * depend on (`npm install --ignore-scripts onnxruntime-node`).
 */
export async function importPeer<T>(name: string): Promise<T> {
  const { default: whole, ...names } = (await import(pathToFileURL(resolvePeer(name)).href)) as {
    default?: T;
  } & T;
  return { ...whole, ...names } as T;
}

/** The file that {@link importPeer} imports. @throws where the package is in neither place. */
export function resolvePeer(name: string): string {
  const places = [import.meta.url, ...(process.env.PEERS ? [join(process.env.PEERS, 'package.json')] : [])];
  for (const place of places) {
    try {
      return createRequire(place).resolve(name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error(`Cannot find ${name}: install it into a folder and name that folder in PEERS`);
}
