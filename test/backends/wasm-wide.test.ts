import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const major = Number.parseInt(process.versions.node, 10);
const script = fileURLToPath(new URL('./wideBits.js', import.meta.url));

interface Told {
  readonly bits: number;
  readonly pixels: number;
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

test('training steps of four networks and inference of five have the same bits in all register blocks', {
  skip: !hasAvx2() && 'this processor has no AVX2',
}, () => {
  const reference = computed('128x4');
  assert.ok(Object.keys(reference.digests).length > 100);
  for (const blocks of ['128x6', ...(major < 24 ? [] : ['256x4', '256x6'])]) {
    const { bits, pixels, why, digests } = computed(blocks);
    assert.equal(`${bits}x${pixels}`, blocks, why);
    assert.deepEqual(digests, reference.digests, blocks);
  }
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
