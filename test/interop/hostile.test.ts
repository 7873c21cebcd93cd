/** Damaged and hostile checkpoints: one line each, and no memory that the file's size does not warrant. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { zipSync } from 'fflate';
import { UserError } from '../../src/errors.js';
import { readCheckpoint } from '../../src/interop/checkpoint.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { seededRandom, testSeed } from '../backends/harness.js';
import type { Item, Written } from './writePth.js';
import { Global, pickle, Raw, writePth, zipPth } from './writePth.js';

const seed = testSeed(90);

/** Reads all there is to read. */
function readAll(bytes: Uint8Array): number {
  let numbers = 0;
  for (const { tensors } of readCheckpoint(bytes, 'net.pth').dictionaries) {
    for (const tensor of tensors.values()) numbers += tensor.data.length;
  }
  return numbers;
}

const refused = (bytes: Uint8Array, message: RegExp, label?: string) =>
  assert.throws(
    () => readAll(bytes),
    (error) => {
      assert.ok(error instanceof UserError, `${label}: ${(error as Error).stack}`);
      assert.match(error.message, /^net\.pth: [^\n]*$/);
      assert.match(error.message, message);
      return true;
    },
    label,
  );

const numbers = (length: number) => Float32Array.from({ length }, (_, i) => i / 8);
const one: Written = { shape: [2, 3], data: numbers(6) };
const dict = (tensor: Item): Item => new Map<string, Item>([['a.weight', tensor]]);

test('places of tensors: outside, negative, repeated without end, not whole, not numbers', () => {
  assert.equal(readAll(writePth(dict(one))), 6);
  const bad: Readonly<Record<string, Partial<Written>>> = {
    'past the end': { offset: 1 },
    'a negative offset': { offset: -1 },
    'negative strides': { strides: [-3, 1] },
    'large strides': { strides: [2 ** 30, 1] },
    'more axes than strides': { strides: [1] },
    'negative sizes': { shape: [-2, -3] },
    'nine axes': { shape: [1, 1, 1, 1, 1, 1, 1, 2, 3] },
    'a negative storage': { count: -6 },
  };
  for (const [label, change] of Object.entries(bad))
    refused(writePth(dict({ ...one, ...change })), /damaged/, label);
  refused(writePth(dict({ ...one, count: 7 })), /lacks the numbers of a\.weight/);
  // Strides of zero: few repetitions are read, many are not.
  assert.equal(readAll(writePth(dict({ shape: [500], strides: [0], data: numbers(1) }))), 500);
  const wide = { shape: [2 ** 29], strides: [0], data: numbers(1) };
  refused(writePth(dict(wide)), /a\.weight repeats its numbers 536870912 times/);
  const many = new Map(
    Array.from({ length: 100 }, (_, i): [string, Item] => [`t${i}`, { ...wide, shape: [100_000] }]),
  );
  refused(writePth(many), /repeats its numbers/);
});

test('pickles of other things than PyTorch writes', () => {
  const call = (item: Item): Raw => new Raw([...pickle(item).data.slice(2, -1), 0x29, 0x52]);
  const bad: readonly [string, Item, RegExp][] = [
    ['a list called', call([]), /damaged/],
    ['a tensor of no storage', new Raw([...rebuild(), 0x29, 0x52]), /without storage/],
    ['a tensor called with a number', new Raw([...rebuild(), 0x4b, 1, 0x52]), /damaged/],
    ['a reference that is a number', new Raw([0x4b, 1, 0x51]), /reference that is no storage/],
    [
      'a reference of a huge count',
      new Raw([...reference([0x8a, 9, 255, 255, 255, 255, 255, 255, 255, 255, 0])]),
      /no storage/,
    ],
    ['a name that is no text', new Raw([0x4b, 1, 0x4b, 2, 0x93]), /damaged/],
    ['items of a number', new Raw([0x4b, 1, 0x28, 0x4b, 1, 0x4b, 2, 0x75]), /damaged/],
    ['an odd number of items', new Raw([0x7d, 0x28, 0x4b, 1, 0x75]), /damaged/],
    ['a value that was never kept', new Raw([0x68, 7]), /damaged/],
    ['nothing to take', new Raw([0x30, 0x30, 0x30]), /damaged/],
    ['an unknown instruction', new Raw([0xff]), /instruction 0xff/],
    ['a class of another program alone', new Global('os', 'system'), /holds no tensors but os\.system/],
    ['a prototype', new Global('__proto__', 'constructor'), /holds no tensors/],
  ];
  for (const [label, item, message] of bad) refused(writePth(dict(item)), message, label);
  // A dictionary that holds itself: EMPTY_DICT, BINPUT 9, then 'self' → BINGET 9.
  const self = new Raw([0x7d, 0x71, 9, 0x58, 4, 0, 0, 0, ...Buffer.from('self'), 0x68, 9, 0x73]);
  assert.equal(
    readAll(
      writePth(
        new Map<string, Item>([
          ['loop', self],
          ['a', one],
        ]),
      ),
    ),
    6,
  );
  // Long lists are no reason to fail.
  const long = Array.from({ length: 200_000 }, () => 1);
  assert.equal(
    readAll(
      writePth(
        new Map<string, Item>([
          ['losses', long],
          ['a', one],
        ]),
      ),
    ),
    6,
  );
  // Nested beyond any depth.
  let deep: Item = one;
  for (let i = 0; i < 5_000; i++) deep = new Map<string, Item>([['x', deep]]);
  refused(writePth(deep), /holds no tensors/);
});

const rebuild = () => [0x63, ...Buffer.from('torch._utils\n_rebuild_tensor_v2\n')];
/** A storage whose count is what the instruction makes. */
const reference = (count: readonly number[]) => [
  0x28,
  ...[0x58, 7, 0, 0, 0, ...Buffer.from('storage')],
  ...[0x63, ...Buffer.from('torch\nFloatStorage\n')],
  ...[0x58, 1, 0, 0, 0, 0x30],
  ...[0x58, 3, 0, 0, 0, ...Buffer.from('cpu')],
  ...count,
  ...[0x74, 0x51],
];

test('a flipped bit anywhere in a zip file is seen, or changes nothing', () => {
  const rng = seededRandom(seed);
  for (const level of [0, 6] as const) {
    const whole = writePth(dict({ shape: [4, 5], data: numbers(20) }), level);
    const expected = [...readCheckpoint(whole, 'net.pth').dictionaries[0].tensors.get('a.weight')!.data];
    for (let i = 0; i < 400; i++) {
      const damaged = whole.slice();
      damaged[rng.int(damaged.length)] ^= 1 << rng.int(8);
      try {
        const [first] = readCheckpoint(damaged, 'net.pth').dictionaries;
        assert.deepEqual([...first.tensors.get('a.weight')!.data], expected, `seed ${seed}, flip ${i}`);
      } catch (error) {
        assert.ok(error instanceof UserError, (error as Error).stack);
      }
    }
  }
});

test('files cut short and noise over them: one line, always', () => {
  const rng = seededRandom(seed + 1);
  const { data, storages } = pickle(
    new Map<string, Item>([
      ['state', dict(one)],
      ['losses', [1, 2, 3]],
    ]),
  );
  for (let i = 0; i < 1500; i++) {
    const changed = data.slice(0, rng.int(4) === 0 ? rng.int(data.length) : data.length);
    for (let k = rng.int(4); k >= 0 && changed.length > 0; k--)
      changed[rng.int(changed.length)] = rng.int(256);
    // The checksums of the zip file are right: it is the pickle that must hold.
    try {
      readAll(zipPth(changed, storages));
    } catch (error) {
      assert.ok(error instanceof UserError, `seed ${seed}, ${i}: ${(error as Error).stack}`);
    }
  }
});

test('zip files that unpack without bounds, or lie about it', () => {
  const { data } = pickle(dict(one));
  const zeros = new Uint8Array(20 * 2 ** 20);
  refused(
    zipSync({ 'net/data.pkl': data, 'net/data/0': zeros }, { level: 1 }),
    /unpack to more than 16 times/,
  );
  const honest = zipSync({ 'net/data.pkl': data, 'net/data/0': new Uint8Array(2 ** 20) }, { level: 9 });
  sayUnpacked(honest, 24);
  refused(honest, /damaged zip file/);
});

/** Changes what the directory says of the size of numbers. */
function sayUnpacked(zip: Uint8Array, bytes: number): void {
  const view = new DataView(zip.buffer, zip.byteOffset);
  for (let at = 0; at + 46 < zip.length; at++) {
    const isNumbers = view.getUint32(at, true) === 0x02014b50 && zip[at + 46 + 4] === 'd'.charCodeAt(0);
    if (isNumbers && zip[at + 46 + 8] === '/'.charCodeAt(0)) view.setUint32(at + 24, bytes, true);
  }
}

test('neither zeros as strides nor a bomb takes memory', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vnet-hostile-'));
  const bomb = zipSync(
    { 'net/data.pkl': pickle(dict({ ...one, count: 2 ** 28 })).data, 'net/data/0': new Uint8Array(2 ** 20) },
    { level: 1 },
  );
  sayUnpacked(bomb, 2 ** 30);
  const files = {
    'strides.pth': writePth(dict({ shape: [2 ** 29], strides: [0], data: numbers(1) })),
    'bomb.pth': bomb,
    'dictionaries.pth': zipPth(new Uint8Array(2 ** 22).fill(0x7d), []),
    'kept.pth': zipPth(Uint8Array.from([0x80, 2, ...new Array(2 ** 21).fill([0x4e, 0x94]).flat()]), []),
  };
  for (const [name, bytes] of Object.entries(files)) {
    const file = path.join(folder, name);
    writeFileSync(file, bytes);
    const script = `
      import { readFileSync } from 'node:fs';
      import { readCheckpoint } from ${JSON.stringify(new URL('../../src/interop/checkpoint.js', import.meta.url).href)};
      const before = process.resourceUsage().maxRSS;
      let message = '';
      try {
        for (const { tensors } of readCheckpoint(readFileSync(${JSON.stringify(file)}), 'net.pth').dictionaries)
          for (const tensor of tensors.values()) tensor.data;
      } catch (error) { message = error.message; }
      console.log(JSON.stringify({ message, grown: process.resourceUsage().maxRSS - before }));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    const { message, grown } = JSON.parse(stdout) as { message: string; grown: number };
    assert.match(message, /^net\.pth: /, name);
    assert.ok(grown < 256 * 1024, `${name}: ${grown >> 10} MiB more`);
  }
});

test('no network is found under the names of what all objects have', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '']) {
    assert.throws(() => networkFromConfig(name, { classes: 3 }), /unknown network/);
  }
});
