import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { encodeRgbPng } from '../../src/data/image.js';
import { openDevice } from '../../src/device.js';
import type { PictureSource } from '../../src/index.js';
import {
  colourise,
  MemoryError,
  overlay,
  Predictor,
  predict,
  renderScene,
  Segmenter,
  shippedModel,
  UserError,
} from '../../src/index.js';
import { loadModel } from '../../src/model/load.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-segmenter-'));
const { image } = renderScene(5, 0, 90, 122);
const png = path.join(folder, 'scene.png');
const model = await loadModel(shippedModel);
let segmenter: Segmenter;

before(async () => {
  writeFileSync(png, await encodeRgbPng(image));
  segmenter = await Segmenter.load({ device: 'wasm', threads: 2 });
});
after(async () => {
  await segmenter.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const rgba = (padding = 0) => {
  const data = new Uint8ClampedArray(padding + image.width * image.height * 4).subarray(padding);
  for (let i = 0; i < image.width * image.height; i++) {
    data.set([...image.data.subarray(3 * i, 3 * i + 3), 7 + (i % 99)], 4 * i);
  }
  return { width: image.width, height: image.height, data };
};

test('a size is refused before there is a picture of it', () => {
  const view = { resize: 'own' } as const;
  segmenter.check({ height: 360, width: 480 }, view);
  assert.throws(() => segmenter.check({ height: 31, width: 480 }, view), /32/);
  for (const confidence of [false, true]) {
    const huge = { height: 30_000, width: 30_000 };
    assert.throws(() => segmenter.check(huge, { ...view, confidence }), MemoryError);
    // As it suits the model, it is small.
    segmenter.check(huge, { confidence });
  }
  assert.equal(segmenter.allocatedBytes, 0);
});

test('every kind of source gives the labels of predict()', async () => {
  const expected = await predict(model, image, { threads: 1 });
  assert.ok(new Set(expected.data).size > 2);
  const server = createServer((_, response) => response.end(readFileSync(png)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sources: Record<string, PictureSource> = {
    path: png,
    'file URL': pathToFileURL(png),
    http: `http://127.0.0.1:${(server.address() as AddressInfo).port}/scene.png`,
    Buffer: readFileSync(png),
    ArrayBuffer: new Uint8Array(readFileSync(png)).buffer,
    Blob: new Blob([readFileSync(png)]),
    RGB: image,
    RGBA: rgba(),
    'RGBA at an odd address': rgba(3),
  };
  for (const [name, source] of Object.entries(sources)) {
    const result = await segmenter.segment(source);
    assert.deepEqual([result.width, result.height], [122, 90], name);
    assert.deepEqual(result.labels, expected.data, name);
  }
  server.close();
  const grey = { width: 40, height: 33, data: Uint8Array.from({ length: 1320 }, (_, i) => i % 251) };
  const triple = { ...grey, data: Uint8Array.from({ length: 3960 }, (_, i) => grey.data[Math.floor(i / 3)]) };
  assert.deepEqual((await segmenter.segment(grey)).labels, (await segmenter.segment(triple)).labels);
});

test('areas, masks, overlay and colours are those of the labels', async () => {
  const result = await segmenter.segment(image);
  const { colours, names } = model.info.classes;
  assert.deepEqual(
    segmenter.classes.map(({ name }) => name),
    names,
  );
  assert.equal(
    result.areas.reduce((sum, { pixels }) => sum + pixels, 0),
    90 * 122,
  );
  assert.ok(Math.abs(result.areas.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-12);
  const [largest] = [...result.areas].sort((a, b) => b.pixels - a.pixels);
  assert.deepEqual(
    result.mask(largest.name),
    result.labels.map((id) => (id === largest.id ? 255 : 0)),
  );
  assert.equal(
    result.outlines(largest.id).reduce((sum, { area }) => sum + area, 0),
    largest.pixels,
  );
  assert.equal(result.classAt(5, 7).id, result.labels[7 * 122 + 5]);
  const labels = { ...image, data: result.labels };
  const rgb = ({ data }: { data: ArrayLike<number> }) => Uint8Array.from(data).filter((_, i) => i % 4 < 3);
  for (const opacity of [0, 0.3, 1]) {
    const expected = overlay(image, labels, colours, opacity);
    assert.deepEqual(rgb(result.overlay({ opacity })), expected.data, `opacity ${opacity}`);
  }
  assert.deepEqual(rgb(result.toImageData()), colourise(labels, colours).data);
  const alone = result.toImageData({ only: [largest.name] }).data.filter((_, i) => i % 4 === 3);
  assert.deepEqual(Uint8Array.from(alone), result.mask(largest.id));
  const only = [largest.id];
  const alphas = result.overlay({ only, picture: false, opacity: 0.6 }).data.filter((_, i) => i % 4 === 3);
  assert.deepEqual(
    Uint8Array.from(alphas),
    result.mask(largest.id).map((value) => 0.6 * value),
  );
  const [some, all, none] = [{ only }, {}, { opacity: 0 }].map((look) => rgb(result.overlay(look)));
  for (const [i, byte] of some.entries()) {
    const isShown = result.labels[Math.floor(i / 3)] === largest.id;
    if (byte !== (isShown ? all : none)[i]) assert.fail(`byte ${i} of the overlay of one class is ${byte}`);
  }
  await assert.rejects(
    async () => segmenter.draw({ width: 8, height: 8 } as never, {} as never),
    /^UserError: draw: there are no canvases here/,
  );
  assert.throws(
    () => result.mask('unicorn'),
    /^UserError: class unicorn: this model has no such class; it has sky, /,
  );
});

test('confidence is the softmax of the logits, bilinear', async () => {
  const { confidence, labels } = await segmenter.segment(image, { confidence: true, resize: 'own' });
  const plain = await segmenter.segment(image, { resize: 'own' });
  const same = labels.filter((id, i) => id === plain.labels[i]).length;
  assert.ok(same >= 0.999 * labels.length);
  const predictor = new Predictor(model.network, model.weights, { backend: await openDevice('reference') });
  const { data, height, width, classes } = await predictor.logits(image);
  for (const [x, y] of [
    [0, 0],
    [61, 45],
    [121, 89],
    [33, 70],
    [90, 12],
  ]) {
    const [u, v] = [((x + 0.5) * width) / 122 - 0.5, ((y + 0.5) * height) / 90 - 0.5];
    const z = Array.from({ length: classes }, (_, c) => {
      let sum = 0;
      for (let j = 0; j < height; j++) {
        for (let i = 0; i < width; i++) {
          const near = (at: number, n: number, k: number) =>
            Math.max(0, 1 - Math.abs(Math.min(n - 1, Math.max(0, at)) - k));
          sum += near(u, width, i) * near(v, height, j) * data[(j * width + i) * classes + c];
        }
      }
      return sum;
    });
    const total = z.reduce((sum, value) => sum + Math.exp(value), 0);
    const expected = (255 * Math.max(...z.map(Math.exp))) / total;
    assert.ok(
      Math.abs(confidence![y * 122 + x] - expected) < 0.6,
      `(${x}, ${y}): ${confidence![y * 122 + x]}, ${expected}`,
    );
  }
});

test('frames under way at once, a stream in order, and its end', async () => {
  const frames = [0, 1, 2, 3].map((i) => renderScene(7, i, 48 + 8 * (i % 2), 64).image);
  const alone: Uint8Array[] = [];
  for (const frame of frames) alone.push((await segmenter.segment(frame)).labels);
  const together = await Promise.all(frames.map((frame) => segmenter.segment(frame)));
  assert.deepEqual(
    together.map(({ labels }) => labels),
    alone,
  );
  const seen: Uint8Array[] = [];
  for await (const { frame, segmentation } of segmenter.stream(frames, { ahead: 3 })) {
    assert.equal(frame, frames[seen.length]);
    seen.push(segmentation.labels);
  }
  assert.deepEqual(seen, alone);
  let asked = 0;
  let closed = false;
  const camera = async function* () {
    try {
      for (;;) {
        asked++;
        yield frames[0];
      }
    } finally {
      closed = true;
    }
  };
  for await (const _ of segmenter.stream(camera())) break;
  assert.ok(closed && asked <= 2, `${asked} frames asked for`);
  await assert.rejects(
    (async () => {
      for await (const _ of segmenter.stream([
        frames[0],
        { width: 8, height: 8, data: new Uint8Array(192) },
      ]));
    })(),
    /8x8: expected at least 32x32/,
  );
  const stop = AbortSignal.abort(new Error('enough'));
  await assert.rejects(segmenter.segment(image, { signal: stop }), /enough/);
});

test('models of every kind of source; what is wrong is said in one line', async () => {
  const bytes = readFileSync(shippedModel);
  const expected = (await segmenter.segment(image)).labels;
  for (const source of [shippedModel, pathToFileURL(shippedModel), bytes, new Blob([bytes]), model]) {
    await using one = await Segmenter.load(source);
    assert.deepEqual((await one.segment(image)).labels, expected);
  }
  const refused = async (work: Promise<unknown>, message: RegExp) => {
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, message);
      assert.ok(!error.message.includes('\n'));
      return true;
    });
  };
  await refused(Segmenter.load(path.join(folder, 'no')), /no: cannot be read \(no such file or folder\)/);
  await refused(Segmenter.load(png), /scene\.png: is not a safetensors file/);
  await refused(Segmenter.load(bytes.subarray(0, 5000)), /^the model: is truncated/);
  await refused(segmenter.segment(path.join(folder, 'no.png')), /no\.png: cannot be read/);
  await refused(segmenter.segment(bytes), /^the picture: cannot be decoded/);
  await refused(
    segmenter.segment({ width: 4, height: 4, data: new Uint8Array(10) }),
    /^pixels: 10 bytes for 4×4/,
  );
  await refused(segmenter.segment({ width: 64, height: 64 }), /^segment: expected a picture/);
  await refused(segmenter.segment('http://127.0.0.1:9/x.png'), /x\.png: cannot be fetched \(/);
});
