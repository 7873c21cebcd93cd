import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { asking, largePages } from '../../src/backends/wasm/runtime/largePages.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-pages-'));
after(() => rmSync(folder, { recursive: true }));

const here = await largePages();

/** How many bytes of this process's memory the kernel was asked to put into large pages. */
function askedBytes(): number {
  let size = 0;
  let asked = 0;
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const bytes = /^Size: +(\d+) kB/.exec(line)?.[1];
    if (bytes) size = 1024 * Number(bytes);
    if (/^VmFlags:.* hg( |$)/.test(line)) asked += size;
  }
  return asked;
}

test('what the system says of large pages', async () => {
  const said = (content: string) => {
    writeFileSync(path.join(folder, 'enabled'), content);
    return largePages(folder);
  };
  assert.equal(await said('[always] madvise never\n'), 'all');
  assert.equal(await said('always madvise [never]\n'), 'never');
  assert.match((await said('always [madvise] never\n'))!, /^(un)?asked$/);
  assert.equal(await said('something else'), undefined);
  assert.equal(await largePages(path.join(folder, 'missing')), undefined);
  process.env.VNET_LARGE_PAGES = '0';
  try {
    assert.equal(await said('always [madvise] never\n'), 'refused');
  } finally {
    delete process.env.VNET_LARGE_PAGES;
  }
});

test('memory of kernels asks for large pages, a small one does not', {
  skip: here !== 'asked' && 'this system has none to ask for',
}, async () => {
  const ask = (await asking())!;
  const before = askedBytes();
  const memory = (pages: number) => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const small = memory(16);
  ask(small);
  assert.equal(askedBytes(), before);
  const large = memory(1024);
  ask(large);
  assert.equal(askedBytes(), before + large.buffer.byteLength);
});
