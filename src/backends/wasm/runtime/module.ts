import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';

/** `relaxed` has fused multiply-adds: faster, and rounds once where `plain` rounds twice. */
export type Build = 'plain' | 'relaxed';

/** `(func (local v128) (drop (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))` */
const probe = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x10, 0x01, 0x0e, 0x01, 0x01, 0x7b],
  ...[0x20, 0x00, 0x20, 0x00, 0x20, 0x00, 0xfd, 0x85, 0x02, 0x1a, 0x0b],
);

/** Whether this engine compiles relaxed SIMD. Node 20 needs a flag for it, which workers inherit. */
export function hasRelaxedSimd(): boolean {
  if (WebAssembly.validate(probe)) return true;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(probe);
}

const modules = new Map<Build, Promise<WebAssembly.Module>>();

export function loadModule(build: Build): Promise<WebAssembly.Module> {
  let module = modules.get(build);
  if (!module) {
    const file = new URL(`../../../../wasm/${build}.wasm`, import.meta.url);
    module = readFile(file).then((bytes) => WebAssembly.compile(bytes));
    modules.set(build, module);
  }
  return module;
}
