import type { LargePages } from '../backends/wasm/runtime/largePages.js';

const small = 'memory in small pages; in large ones kernels take less time';
const file = '/sys/kernel/mm/transparent_hugepage/enabled';

/** What `vnet devices` says of them. */
export const largePagesText: Readonly<Record<LargePages, string>> = {
  all: 'memory in large pages',
  asked: 'memory in large pages',
  unasked: `${small}: npm install ffi-rs, or echo always | sudo tee ${file}`,
  refused: `${small}: VNET_LARGE_PAGES=0 refuses them`,
  never: `${small}: echo madvise | sudo tee ${file}`,
};
