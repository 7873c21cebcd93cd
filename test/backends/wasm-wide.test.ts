import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const major = Number.parseInt(process.versions.node, 10);
const script = fileURLToPath(new URL('./wideBits.js', import.meta.url));

interface Told {
  readonly bits: number;
  readonly why: string;
  readonly digests: Readonly<Record<string, string>>;
}

function computed(simd: string): Told {
  const env = { ...process.env, VNET_SIMD: simd };
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Told;
}

const hasAvx2 = (): boolean =>
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

test('training steps of four networks and inference of five on 256 bits have the bits of those on 128', {
  skip: major < 24 ? 'Node 24 is the first that merges vectors' : !hasAvx2() && 'this processor has no AVX2',
}, () => {
  const narrow = computed('128');
  const wide = computed('256');
  assert.deepEqual([narrow.bits, wide.bits], [128, 256], `${narrow.why}; ${wide.why}`);
  assert.ok(Object.keys(narrow.digests).length > 100);
  assert.deepEqual(wide.digests, narrow.digests);
});

test('where vectors cannot be merged, nothing changes', {
  skip: major >= 24 && 'this Node merges them',
}, async () => {
  const { wasmBackend } = await import('../../src/backends/wasm/index.js');
  const { bits, why } = await wasmBackend.vectors!();
  assert.equal(bits, 128);
  assert.match(why, /Node 24/);
});

test('VNET_SIMD is 128 or 256', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['bin/vnet.js', 'bench', '--size', '64x64', '--mode', 'infer', '--device', 'wasm', '--runs', '1'],
    { env: { ...process.env, VNET_SIMD: '512' }, encoding: 'utf8' },
  );
  assert.equal(status, 2);
  assert.match(stderr, /VNET_SIMD=512: expected 128 or 256/);
});
