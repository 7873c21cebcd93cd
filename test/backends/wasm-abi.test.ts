import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import asc from 'assemblyscript/asc';
import { layouts } from '../../src/backends/wasm/abi.js';
import type { Layout } from '../../src/backends/wasm/encode.js';
import { encode } from '../../src/backends/wasm/encode.js';
import type { Stage } from '../../src/backends/wasm/stage.js';

const kernelsFolder = new URL('../../../src/backends/wasm/kernels/', import.meta.url);

test('the contract names the kernels that both builds export, and no others', () => {
  for (const build of ['plain', 'relaxed']) {
    const bytes = readFileSync(new URL(`../../wasm/${build}.wasm`, import.meta.url));
    // Node 20 knows relaxed SIMD only behind a flag, but can read what such a module exports from its sections.
    const exported = exportsOf(bytes);
    assert.deepEqual(exported.sort(), Object.keys(layouts).sort(), build);
  }
});

/** Names of the exported functions of a wasm binary. */
function exportsOf(bytes: Uint8Array): string[] {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  const exportSection = 7;
  for (;;) {
    const section = bytes[at++];
    const end = number() + at;
    if (section === exportSection) break;
    at = end;
  }
  return Array.from({ length: number() }, () => {
    const length = number();
    const name = new TextDecoder().decode(bytes.subarray(at, at + length));
    at += length;
    const kind = bytes[at++];
    number();
    return kind === 0 ? name : [];
  }).flat();
}

/** The layout of a class inside a kernel's arguments. */
const inside = (layout: Layout, name: string): Layout => {
  const kind = layout.find(([member]) => member === name)?.[1];
  assert.ok(Array.isArray(kind), name);
  return kind;
};

test('members lie where the AssemblyScript compiler puts them', async () => {
  const classes: readonly [name: string, file: string, layout: Layout][] = [
    ['Input', 'conv/input', inside(layouts.convDirect, 'input')],
    ['Window', 'conv/input', inside(layouts.convDirect, 'window')],
    ['Output', 'conv/output', inside(layouts.convDirect, 'output')],
    ['Tiles', 'conv/tiles', inside(layouts.convWinograd1d, 'tiles')],
    ['Axes', 'axes', inside(layouts.crossEntropy, 'axes')],
    ['PyramidPoolArgs', 'pool', layouts.pyramidPool],
  ];
  const offsets = classes.flatMap(([name, , layout]) => layout.map(([member]) => [name, member] as const));
  const entry = [
    ...classes.map(([name, file]) => `import { ${name} } from './${file}';`),
    ...offsets.map(([name, member], i) => `export const at${i}: usize = offsetof<${name}>('${member}');`),
  ].join('\n');
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ['entry.ts', '--outFile', 'out.wasm', '--runtime', 'stub', '--enable', 'simd', '--use', 'abort='],
    {
      readFile: async (name) =>
        name === 'entry.ts' ? entry : readFile(new URL(name, kernelsFolder), 'utf8').catch(() => null),
      writeFile: (_, contents) => {
        binary = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  assert.ifError(error && new Error(stderr.toString()));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(binary!)));
  let i = 0;
  for (const [name, , layout] of classes) {
    layout.forEach(([member], word) => {
      assert.equal((exports[`at${i++}`] as WebAssembly.Global).value, 4 * word, `${name}.${member}`);
    });
  }
});

test('tables and classes lie behind the members that point to them', () => {
  const inner: Layout = [
    ['count', 'i32'],
    ['table', 'Ints'],
  ];
  const layout: Layout = [
    ['scale', 'f32'],
    ['fractions', 'Floats'],
    ['first', inner],
    ['seed', 'u32'],
    ['none', 'Ints'],
  ];
  const args = {
    ...{ scale: 1.5, fractions: [0.25, 3], first: { count: 7, table: [8, 9] } },
    ...{ seed: 0xffffffff, none: [] },
  };
  const words = encode(layout, args, 1000);
  const floats = new Float32Array(words.buffer);
  assert.equal(floats[0], 1.5);
  assert.deepEqual([...words.subarray(1, 5)], [1020, 1028, -1, 0]);
  assert.deepEqual([...floats.subarray(5, 7)], [0.25, 3]);
  assert.deepEqual([...words.subarray(7)], [7, 1036, 8, 9]);
});

test('the compiler refuses a wrong kernel, a missing argument and one too many', () => {
  const stages: readonly Stage[] = [
    { kernel: 'countStep', chunks: 1, args: { counter: 1, next: 2 } },
    // @ts-expect-error no such kernel
    { kernel: 'countSteps', chunks: 1, args: { counter: 1, next: 2 } },
    // @ts-expect-error `next` is missing
    { kernel: 'countStep', chunks: 1, args: { counter: 1 } },
    // @ts-expect-error `step` is no argument of it
    { kernel: 'countStep', chunks: 1, args: { counter: 1, next: 2, step: 3 } },
  ];
  assert.equal(stages.length, 4);
});
