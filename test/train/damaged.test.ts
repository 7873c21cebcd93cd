import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import * as v from 'valibot';
import { runCli } from '../../src/cli/program.js';
import { readClasses } from '../../src/data/classes.js';
import { encodeLabelPng, encodeRgbPng, readImage } from '../../src/data/image.js';
import { readInstances, readLabels } from '../../src/data/label-image.js';
import { Rng } from '../../src/data/rng.js';
import { UserError } from '../../src/errors.js';
import { writeModel } from '../../src/model/file.js';
import { decodeSafetensors } from '../../src/model/safetensors.js';
import { readRun } from '../../src/report/record.js';
import { parseTrainConfig, trainConfig } from '../../src/train/config.js';
import { readMetrics } from '../../src/train/metrics.js';
import { damage, damageText } from '../damage.js';

const seed = Number(process.env.SEED ?? Date.now() % 100000);
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-damaged-'));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

/**
 * Reads damaged files: each is refused by one line that names the file, or accepted with a result that `check` finds
 * valid. Both must happen, or the damage tests nothing.
 */
async function survives<T>(
  name: string,
  damaged: (rng: Rng) => Buffer,
  read: () => Promise<T>,
  check: (result: T) => void,
  rounds = 500,
): Promise<void> {
  const rng = Rng.of(seed);
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    writeFileSync(at(name), damaged(rng));
    const where = `seed ${seed}, ${name}, round ${round}`;
    let result: T;
    try {
      result = await read();
    } catch (error) {
      assert.ok(error instanceof UserError, `${where}: ${error instanceof Error ? error.stack : error}`);
      assert.ok(!error.message.includes('\n') && error.message.includes(name), `${where}: ${error.message}`);
      refused++;
      continue;
    }
    try {
      check(result);
    } catch (error) {
      assert.fail(`${where}: accepted, but ${error instanceof Error ? error.message : error}`);
    }
  }
  assert.ok(refused > rounds / 10, `seed ${seed}, ${name}: only ${refused} refused`);
}

const rng = Rng.of(seed, 1);
const [width, height] = [24, 18];
const noise = (count: number, below: number) => Uint8Array.from({ length: count }, () => rng.int(below));

test('PNG images and labels: refused, or the very pixels', async () => {
  const colours = { width, height, data: noise(width * height * 3, 256) };
  const labels = { width, height, data: noise(width * height, 19) };
  const png = Buffer.from(await encodeRgbPng(colours));
  await survives(
    'image.png',
    (r) => damage(png, r, 60),
    () => readImage(at('image.png')),
    ({ data }) => assert.ok(Buffer.compare(data, colours.data) === 0, 'other pixels'),
  );
  const grey = Buffer.from(await encodeLabelPng(labels));
  // Instances: the same decoder as for labels that are not plain.
  for (const [name, read, rounds] of [
    ['labels.png', readLabels, undefined],
    ['instances.png', readInstances, 100],
  ] as const) {
    await survives<{ readonly data: ArrayLike<number> }>(
      name,
      (r) => damage(grey, r, 60),
      () => read(at(name)),
      ({ data }) => assert.deepEqual(Array.from(data), Array.from(labels.data)),
      rounds,
    );
  }
});

test('JPEG images, which have no checksum: refused, or a whole image', async () => {
  const data = noise(width * height * 3, 256);
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toBuffer();
  await survives(
    'image.jpg',
    (r) => damage(jpeg, r),
    () => readImage(at('image.jpg')),
    (image) => assert.equal(image.data.length, image.width * image.height * 3),
  );
});

test('classes.json', async () => {
  const text =
    '{"names":["road","car","sky"],"colours":[[1,2,3],[4,5,6],[7,8,9]],"ignore":[255,9],"mapping":{"7":0,"8":1,"11":2}}';
  await survives(
    'classes.json',
    (r) => damageText(text, r),
    () => readClasses(at('classes.json')),
    ({ names, colours, mapping, known, toRaw }) => {
      assert.ok(names.length > 0 && new Set(names).size === names.length, 'names');
      assert.equal(colours.length, names.length);
      assert.ok(colours.flat().every((value) => Number.isInteger(value) && value >= 0 && value <= 255));
      assert.equal(toRaw.length, names.length);
      for (let raw = 0; raw < 256; raw++) {
        assert.ok(!known[raw] || mapping[raw] < names.length || mapping[raw] === 255, `value ${raw}`);
      }
    },
  );
});

const config = {
  ...parseTrainConfig({
    data: '/no/such/data',
    out: 'runs/x',
    classWeights: [1, 2.5, 3],
    size: { crop: [64, 96] },
    augment: { scale: [0.5, 2], jitter: 0.3 },
    average: 0.99,
  }),
};

test('the config.json of a run', async () => {
  const run = at('run');
  mkdirSync(run);
  await writeModel(
    path.join(run, 'last.safetensors'),
    {
      network: { name: 'vnet', config: {} },
      classes: {
        name: 'two',
        names: ['a', 'b'],
        colours: [
          [0, 0, 0],
          [9, 9, 9],
        ],
        toRaw: [0, 1],
      },
      trained: { epoch: 1, step: 2 },
    },
    new Map([['w', { shape: [1], data: Float32Array.of(1) }]]),
  );
  const text = JSON.stringify(config, null, 2);
  await survives(
    'run/config.json',
    (r) => damageText(text, r),
    () => readRun(run),
    (record) => assert.deepEqual(v.parse(trainConfig, record.config), record.config),
  );
});

test('vnet.config.json: one line and an exit code, never a trace', async (context) => {
  const file = at('vnet.config.json');
  const lines: string[] = [];
  context.mock.method(process.stderr, 'write', (text: string) => lines.push(text) > 0);
  const { data, ...rest } = config;
  const text = JSON.stringify({ ...rest, out: at('new-run') });
  const r = Rng.of(seed, 2);
  const rounds = 500;
  let refused = 0;
  const bad: string[] = [];
  for (let round = 0; round < rounds; round++) {
    writeFileSync(file, damageText(text, r));
    lines.length = 0;
    // The data set does not exist: what is accepted ends there, before anything is written.
    const code = await runCli([
      'train',
      '--config',
      file,
      '--data',
      data,
      '--out',
      at('new-run'),
      '--no-report',
    ]);
    const said = lines.join('');
    if (said.includes('vnet.config.json')) refused++;
    const fine = (code === 1 || code === 2) && /^[^\n]+\n$/.test(said) && !said.includes('unexpected');
    if (!fine) bad.push(`seed ${seed}, round ${round}: exit code ${code}, ${said}`);
  }
  context.mock.restoreAll();
  assert.deepEqual(bad, []);
  assert.ok(refused > rounds / 10, `seed ${seed}: only ${refused} refused`);
});

test('metrics.jsonl', async () => {
  const step = { type: 'step', epoch: 0, step: 1, loss: 2.5, learningRate: 1e-3, gradientNorm: 0.5 };
  const rest = { imagesPerSecond: 3, dataWait: 0.01, rssBytes: 100000000 };
  const scores = { miou: 0.5, pixelAccuracy: 0.75, classIou: [0.5, null], seconds: 2 };
  const text = [1, 2, 3]
    .map((n) => JSON.stringify({ ...step, step: n, ...rest }))
    .concat(JSON.stringify({ type: 'validation', epoch: 0, step: 3, ...scores }), '')
    .join('\n');
  const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);
  await survives(
    'metrics.jsonl',
    (r) => damageText(text, r),
    () => readMetrics(at('metrics.jsonl')),
    (lines) => {
      assert.ok(lines.length <= 5);
      for (const line of lines) {
        assert.ok(Number.isInteger(line.step) && line.step >= 0 && Number.isInteger(line.epoch));
        if (line.type === 'step') assert.ok(isNumber(line.loss) && isNumber(line.imagesPerSecond));
        else assert.ok(line.miou === null || isNumber(line.miou));
      }
    },
  );
});

test('safetensors of other programs, which have no hash: refused, or whole tensors', async () => {
  const header = JSON.stringify({
    __metadata__: { format: 'pt' },
    a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
    b: { dtype: 'F16', shape: [4], data_offsets: [24, 32] },
    c: { dtype: 'I64', shape: [], data_offsets: [32, 40] },
  });
  const encode = (text: Buffer) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, Buffer.alloc(40, 3)]);
  };
  let bytes: Buffer = Buffer.alloc(0);
  await survives(
    'foreign.safetensors',
    (r) => {
      bytes = r.chance(0.5) ? encode(damageText(header, r)) : damage(encode(Buffer.from(header)), r);
      return bytes;
    },
    async () => decodeSafetensors(bytes, 'foreign.safetensors'),
    ({ tensors }) => {
      for (const [name, { shape, data }] of tensors) {
        assert.equal(
          data.length,
          shape.reduce((product, n) => product * n, 1),
          name,
        );
      }
    },
  );
});
