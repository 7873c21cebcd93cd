import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { decode } from 'fast-png';
import { unzipSync, zipSync } from 'fflate';
import type { BrowserContext, Download, Page } from 'playwright-core';
import { crc32 } from '../../src/data/crc32.js';
import { encodeLabelPng, encodeRgbPng } from '../../src/data/image.js';
import { predict, renderScene, shippedModel } from '../../src/index.js';
import { decodeModel } from '../../src/model/format.js';
import { encodeSafetensors } from '../../src/model/safetensors.js';
import { until } from '../queue/same.js';
import { hasChromium } from './serve.js';
import type { Host } from './site.js';
import { barriers, hostSite, limitMemory, openChromium, openSite, putBehind, root, says } from './site.js';

/** The page as a person uses it, from a plain folder: no server of ours, no headers that isolate. */
const skip = hasChromium ? false : 'no Chromium (install it, or set CHROMIUM to its path)';
let host: Host;
let context: BrowserContext;
let page: Page;
const kept = mkdtempSync(path.join(tmpdir(), 'vnet-chromium-'));
const complaints: string[] = [];

const scenes = [0, 1].map((index) => ({ name: `scene-${index}.png`, ...renderScene(5, index, 240, 320) }));
const files = async () =>
  Promise.all(
    scenes.map(async ({ name, image }) => ({
      name,
      mimeType: 'image/png',
      buffer: Buffer.from(await encodeRgbPng(image)),
    })),
  );
const bytesOf = async (download: Download): Promise<Buffer> => readFileSync(await download.path());
/** Clicks a button that saves a file. */
async function saved(button: string | RegExp): Promise<{ name: string; bytes: Buffer }> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: button }).click(),
  ]);
  return { name: download.suggestedFilename(), bytes: await bytesOf(download) };
}
const settled = () =>
  page.waitForFunction(() => {
    const status = document.querySelector('[role="status"]')?.textContent ?? '';
    return status === '' && document.querySelectorAll('.legend li').length > 0;
  });
/** Waits for the tab's title, which follows what the page shows. */
const titled = (title: string) =>
  page.waitForFunction((expected) => document.title === expected, title, { polling: 50 });
/** Waits for frames of a video. */
const plays = () =>
  page.waitForFunction(() => Number(document.querySelector('[data-fact="rate"]')?.textContent) > 0);
const pick = async (given: Awaited<ReturnType<typeof files>>) =>
  page.locator('input[type="file"]').first().setInputFiles(given);

before(async () => {
  if (!hasChromium) return;
  host = await hostSite();
  context = await openChromium(kept);
  page = await openSite(context, host, complaints);
});
after(async () => {
  await context?.close();
  host?.close();
  rmSync(kept, { recursive: true, force: true });
});

declare global {
  var wholeFetch: typeof fetch | undefined;
  var wholeBitmap: typeof createImageBitmap | undefined;
  var wholePixels: CanvasRenderingContext2D['getImageData'] | undefined;
}

test('the types of the page', () => {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'web'], { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('pictures: labels as in Node, shares, the class of a pixel, files to save', { skip }, async () => {
  await pick(await files());
  await settled();
  const fact = await page.locator('[data-fact="device"]').textContent();
  assert.match(fact!, /CPU cores, (one thread|\d+ threads)/);

  const expected = await predict(shippedModel, scenes[0].image, { device: 'wasm' });
  const { name, bytes } = await saved('Save labels');
  assert.equal(name, 'scene-0_labels.png');
  const labels = decode(bytes);
  assert.deepEqual([labels.width, labels.height, labels.channels], [320, 240, 1]);
  const equal = expected.data.reduce((sum, label, i) => sum + (labels.data[i] === label ? 1 : 0), 0);
  assert.ok(equal >= 0.999 * expected.data.length, `${equal} of ${expected.data.length} labels are Node's`);

  const shares = await page.locator('.legend .value').allTextContents();
  const total = shares.reduce((sum, text) => sum + Number.parseFloat(text), 0);
  assert.ok(Math.abs(total - 100) < 1, `shares sum up to ${total} %`);

  await page.locator('.layers').hover({ position: { x: 5, y: 5 } });
  await page.locator('.says', { hasText: /^\w+, \d+ % sure at \d+, \d+$/ }).waitFor();
  await page.locator('.view').focus();
  const before = await page.locator('.says').textContent();
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction((then) => document.querySelector('.says')?.textContent !== then, before);

  const { bytes: overlay } = await saved('Save picture');
  assert.equal(decode(overlay).width, 320);
  const { bytes: archive } = await saved('Save all as zip');
  const held = unzipSync(archive);
  assert.deepEqual(Object.keys(held).sort(), [
    'scene-0_labels.png',
    'scene-0_overlay.png',
    'scene-1_labels.png',
    'scene-1_overlay.png',
  ]);
  assert.deepEqual(decode(held['scene-0_labels.png']).data, labels.data);
});

test('two models on one picture; a foreign file and a damaged picture are one sentence each', {
  skip,
}, async () => {
  const model = readFileSync(shippedModel);
  const inputs = page.locator('input[accept=".safetensors"]');
  await inputs.nth(1).setInputFiles({ name: 'rival.safetensors', mimeType: '', buffer: model });
  await page.getByText('Right of the divider: rival.safetensors').waitFor();
  await page.getByLabel('Divider between the two models').waitFor();
  await page.getByLabel('Divider between the two models').fill('20');
  assert.equal(
    await page.locator('canvas.second').evaluate((canvas) => canvas.style.clipPath),
    'inset(0px 0px 0px 20%)',
  );
  // It is dragged on the picture, too.
  const box = (await page.locator('.layers').boundingBox())!;
  const at = (share: number) => [box.x + share * box.width, box.y + box.height / 2] as const;
  await page.mouse.move(...at(0.2));
  await page.mouse.down();
  await page.mouse.move(...at(0.75), { steps: 3 });
  await page.mouse.up();
  const divider = Number(await page.getByLabel('Divider between the two models').inputValue());
  assert.ok(Math.abs(divider - 75) < 2, `${divider} %`);
  await page.getByRole('button', { name: 'End comparison' }).click();

  await inputs
    .nth(0)
    .setInputFiles({ name: 'broken.safetensors', mimeType: '', buffer: model.subarray(0, 5000) });
  await page
    .getByRole('alert')
    .getByText(/truncated|safetensors|damaged/)
    .waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  // The model in the box goes on.
  await settled();
  assert.equal(await page.locator('.model').textContent(), 'comes with VNet');
  await inputs.nth(0).setInputFiles({ name: 'good.safetensors', mimeType: '', buffer: model });
  await settled();
  const broken = { name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('no picture') };
  await pick([broken]);
  await page.getByRole('alert').getByText('broken.png: this browser cannot read it').waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).click();
});

test('dropped files, and a folder with others in it', { skip }, async () => {
  const [first] = await files();
  const dropped = { name: 'dropped.png', text: first.buffer.toString('base64') };
  await page
    .locator('#panel-segment section')
    .first()
    .evaluate((section, { name, text }) => {
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type: 'image/png' }));
      section.dispatchEvent(
        new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }),
      );
    }, dropped);
  await page.getByRole('img', { name: 'dropped.png, segmented' }).waitFor();
  await settled();
  const { name } = await saved('Save labels');
  assert.equal(name, 'dropped_labels.png');

  const given = path.join(kept, 'pictures');
  mkdirSync(path.join(given, 'more'), { recursive: true });
  for (const [i, { buffer }] of (await files()).entries()) {
    writeFileSync(path.join(given, i === 0 ? 'one.png' : 'more/two.png'), buffer);
  }
  writeFileSync(path.join(given, 'notes.txt'), 'no picture');
  await page.locator('#panel-segment input[type="file"]').nth(1).setInputFiles(given);
  await page.getByRole('navigation', { name: 'Pictures' }).getByText('two.png').waitFor();
  await settled();
  const { bytes } = await saved('Save all as zip');
  assert.deepEqual(Object.keys(unzipSync(bytes)).sort(), [
    'pictures/more/two_labels.png',
    'pictures/more/two_overlay.png',
    'pictures/one_labels.png',
    'pictures/one_overlay.png',
  ]);
});

test('what cannot be had is one sentence each, and the rest goes on', { skip }, async () => {
  // A header that promises 1.6 gigapixels.
  const huge = Buffer.from((await files())[0].buffer);
  huge.writeUInt32BE(40_000, 16);
  huge.writeUInt32BE(40_000, 20);
  await pick([{ name: 'huge.png', mimeType: 'image/png', buffer: huge }]);
  await says(page, /huge\.png: this browser cannot read it/);
  await pick([{ name: 'clip.mp4', mimeType: 'video/mp4', buffer: Buffer.from('no video') }]);
  await says(page, /clip\.mp4: this browser cannot play it/);
  await pick([{ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture') }]);
  await says(page, /Nothing to segment there/);
  const foreign = encodeSafetensors(new Map([['x', { shape: [1], data: Float32Array.of(1) }]]));
  const model = page.locator('input[accept=".safetensors"]').nth(0);
  await pick(await files());
  await settled();
  await model.setInputFiles({ name: 'other.safetensors', mimeType: '', buffer: Buffer.from(foreign) });
  await says(page, /another program/);
  await settled();
  await page.evaluate(() => {
    globalThis.wholeFetch = fetch;
    globalThis.fetch = () => Promise.reject(new TypeError('Failed to fetch'));
  });
  const device = page.getByLabel('Device');
  await device.selectOption('CPU cores');
  await says(page, /vnet-camvid-\S+: cannot be fetched/);
  assert.equal(await page.getByRole('status').first().textContent(), '');
  await page.evaluate(() => {
    globalThis.fetch = globalThis.wholeFetch!;
  });
  await device.selectOption('Automatic');
  await model.setInputFiles({ name: 'own.safetensors', mimeType: '', buffer: readFileSync(shippedModel) });
  await settled();
  await device.selectOption('webgpu');
  await says(page, /no WebGPU on a real GPU/);
  assert.equal(await device.inputValue(), 'auto');
  await settled();
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'));
  });
  await page.getByRole('button', { name: 'Camera' }).click();
  await says(page, /camera was refused/);
  // The method of the class is back.
  await page.evaluate(() => Reflect.deleteProperty(navigator.mediaDevices, 'getUserMedia'));
});

test('too little memory: how much is needed and what to choose, and the picture is still there', {
  skip,
}, async () => {
  const side = page.getByLabel('Longest side');
  const view = page.getByRole('img', { name: 'scene-0.png, segmented' });
  // Kernels get none, then the machine has none, then the browser has none for the pixels.
  await limitMemory(page, 2 ** 20);
  await side.selectOption('as it is');
  await says(
    page,
    /^scene-0\.png: needs \d+ MiB of memory, which this browser does not give: choose a smaller “Long/,
  );
  await view.waitFor();
  await limitMemory(page, Number.POSITIVE_INFINITY);
  await page.evaluate(() =>
    Object.defineProperty(navigator, 'deviceMemory', { value: 1e-3, configurable: true }),
  );
  await side.selectOption('320');
  await side.selectOption('as it is');
  await says(
    page,
    /^scene-0\.png: needs \d+ MiB of memory, of 1 MiB that can be had: choose a smaller “Longest side”/,
  );
  await page.evaluate(() => Reflect.deleteProperty(navigator, 'deviceMemory'));
  // Too large for any: it is not decoded for that, which takes 20 s and freezes the page.
  const huge = Buffer.from((await files())[0].buffer);
  huge.writeUInt32BE(16_000, 16);
  huge.writeUInt32BE(16_000, 20);
  huge.writeUInt32BE(crc32(huge.subarray(12, 29)), 29);
  await pick([{ name: 'huge.png', mimeType: 'image/png', buffer: huge }]);
  await says(
    page,
    /^huge\.png: needs \d+ MiB of memory, of \d+ MiB that can be had: choose a smaller “Longest/,
  );
  await pick(await files());
  await settled();
  await page.evaluate(() => {
    const { prototype } = CanvasRenderingContext2D;
    globalThis.wholePixels ??= prototype.getImageData;
    prototype.getImageData = () => {
      throw new RangeError('Out of memory at ImageData creation');
    };
  });
  await side.selectOption('640');
  await says(page, /^scene-0\.png: needs 1 MiB of memory, which this browser does not give/);
  await page.evaluate(() => {
    CanvasRenderingContext2D.prototype.getImageData = globalThis.wholePixels!;
  });
  await view.waitFor();
  await side.selectOption('as it is');
  await settled();
  // A video, too, goes on at another size.
  await limitMemory(page, 2 ** 20);
  await page.getByRole('button', { name: 'Camera' }).click();
  await says(page, /^Camera: needs \d+ MiB of memory/);
  await limitMemory(page, Number.POSITIVE_INFINITY);
  await side.selectOption('320');
  await plays();
  await page.getByRole('button', { name: 'Stop' }).click();
});

test('the camera, live', { skip }, async () => {
  await page.getByLabel('Longest side').selectOption('320');
  // While a picture is still being read.
  await page.evaluate(() => {
    const real = createImageBitmap;
    const slow = async (blob: Blob) => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return real(blob);
    };
    Object.assign(globalThis, { createImageBitmap: slow, wholeBitmap: real });
  });
  await pick(await files());
  await page.getByRole('status').getByText('Segmenting scene-0.png').waitFor();
  await page.getByRole('button', { name: 'Camera' }).click();
  const rate = page.locator('[data-fact="rate"]');
  await plays();
  assert.equal(await page.getByRole('status').first().textContent(), '');
  await page.evaluate(() => Object.assign(globalThis, { createImageBitmap: globalThis.wholeBitmap }));
  await putBehind(page, true);
  await page.getByRole('status').getByText('Paused while this tab is in the background.').waitFor();
  await titled('Paused – VNet');
  // What was under way is shown, however long it takes; then nothing moves.
  const before = await until(async () => {
    const then = await rate.textContent();
    await page.waitForTimeout(500);
    return (await rate.textContent()) === then && then;
  });
  // No frame comes that could be recorded.
  await page.getByRole('button', { name: 'Record' }).dispatchEvent('click');
  await page.getByRole('button', { name: 'Save recording (0:00)' }).dispatchEvent('click');
  await says(page, /^Nothing was recorded/);
  await putBehind(page, false);
  await page.getByRole('status').getByText('Paused').waitFor({ state: 'detached' });
  await titled('VNet');
  await page.waitForFunction(
    (then) => document.querySelector('[data-fact="rate"]')?.textContent !== then,
    before,
  );
  // It is unplugged, and comes back.
  await page.evaluate(() => {
    const { srcObject } = document.querySelector<HTMLVideoElement>('video.source')!;
    (srcObject as MediaStream).getTracks()[0].dispatchEvent(new Event('ended'));
  });
  await says(page, /^The camera ended/);
  await page.getByRole('button', { name: 'Camera' }).click();
  await plays();
  await page.getByRole('button', { name: 'Record' }).click();
  await page.getByRole('button', { name: /^Save recording \(0:(0[2-9]|[1-9]\d)\)$/ }).waitFor();
  const { name, bytes } = await saved(/Save recording/);
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('button', { name: 'Camera' }).waitFor();
  assert.ok(bytes.length > 5000, `${bytes.length} bytes`);
  const lasts = await page.evaluate(
    async (content) => {
      const video = document.createElement('video');
      video.src = URL.createObjectURL(new Blob([Uint8Array.from(content)]));
      await new Promise((resolve) => video.addEventListener('loadedmetadata', resolve));
      return video.duration;
    },
    [...bytes],
  );
  assert.ok(lasts >= 2 && lasts < 30, `${lasts} s of video`);

  // A browser that encodes nothing says so, and the camera goes on.
  await page.evaluate(() => Object.assign(globalThis, { kept: VideoEncoder, VideoEncoder: undefined }));
  await page.getByRole('button', { name: 'Camera' }).click();
  await page.getByRole('button', { name: 'Record' }).click();
  await says(page, /encodes no video/);
  await page.getByRole('button', { name: 'Record', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.evaluate(() =>
    Object.assign(globalThis, { VideoEncoder: (globalThis as { kept?: unknown }).kept }),
  );

  // What was recorded is a video that the page plays and segments.
  await pick([{ name, mimeType: 'video/webm', buffer: Buffer.from(bytes) }]);
  await plays();
  await page.getByRole('button', { name: 'Stop' }).click();
});

test('how it works: the plan of a training step under each policy', { skip }, async () => {
  await page.getByRole('tab', { name: 'How it works' }).click();
  await page.locator('tr[data-policy="reversible"]').waitFor();
  const arena = async (policy: string) =>
    Number.parseFloat((await page.locator(`tr[data-policy="${policy}"] td`).first().textContent())!);
  const [save, reversible] = [await arena('save'), await arena('reversible')];
  assert.ok(reversible < 0.5 * save, `${reversible} against ${save} MiB`);
  // Of the model that was opened; of others by name.
  const network = page.getByLabel('Network');
  assert.equal(await network.locator('option:checked').textContent(), 'of own.safetensors');
  await network.selectOption('enet');
  await page.waitForFunction((before) => {
    const text = document.querySelector('tr[data-policy="save"] td')?.textContent;
    return text && Number.parseFloat(text) !== before;
  }, save);
  await network.selectOption('of own.safetensors');
  await page.getByLabel('Size of an image').selectOption('128×256');
  await limitMemory(page, 2 ** 20);
  await page.getByRole('button', { name: 'Measure here' }).click();
  await says(page, /^vnet: needs \d+ MiB of memory, .*: choose a smaller size\.$/);
  await limitMemory(page, Number.POSITIVE_INFINITY);
  await page.getByRole('button', { name: 'Measure here' }).click();
  const total = Number.parseFloat((await page.locator('[data-fact="total"]').textContent())!);
  const times = await page
    .locator('#panel-plan table')
    .nth(1)
    .locator('tbody td:nth-child(2)')
    .allTextContents();
  assert.equal(times.length, 12);
  assert.ok(times.reduce((sum, ms) => sum + Number(ms), 0) <= total + 0.1, `${times} of ${total} ms`);
});

test('nothing on the tabs bars anybody, wide or narrow, light or dark', { skip }, async () => {
  // A picture without some of the classes, which the legend shows fainter.
  const [{ name, image }] = scenes;
  const sky = { ...image, height: 24, data: image.data.subarray(0, 3 * 24 * image.width) };
  await page.getByRole('tab', { name: 'Segment' }).click();
  await pick([{ name, mimeType: 'image/png', buffer: Buffer.from(await encodeRgbPng(sky)) }]);
  await page.locator('.legend .absent').first().waitFor();
  await settled();
  await page.getByRole('tab', { name: 'Train' }).click();
  const panel = page.locator('#panel-train');
  await panel
    .locator('input[type="file"]')
    .first()
    .setInputFiles(await files());
  await panel.locator('.strip button').nth(1).waitFor();
  const found: string[] = [];
  for (const [width, colorScheme] of [
    [1200, 'light'],
    [390, 'dark'],
  ] as const) {
    await page.setViewportSize({ width, height: 860 });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const name of ['Segment', 'Train', 'Runs', 'How it works']) {
      await page.getByRole('tab', { name }).click();
      for (const barrier of await barriers(page)) found.push(`${name}, ${width}, ${colorScheme}: ${barrier}`);
    }
  }
  assert.deepEqual(found, []);
});

test('offline after the first load; phone width and dark: nothing runs over the side', { skip }, async () => {
  await context.setOffline(true);
  const asked = host.requests();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  await page.goto(`${host.address}#segment`);
  await page.reload();
  assert.ok(await page.evaluate(() => crossOriginIsolated));
  await pick(await files());
  await settled();
  assert.equal(host.requests(), asked);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  const shots = process.env.VNET_TEST_SHOTS;
  if (shots) await page.screenshot({ path: path.join(shots, 'segment-phone-dark.png'), fullPage: true });
  assert.deepEqual(complaints, []);
});

test('a browser that keeps nothing, as private windows: pictures are trained on all the same', {
  skip,
}, async () => {
  await context.setOffline(false);
  const refuse =
    "navigator.storage.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'));";
  await page.evaluate((code) => {
    globalThis.inWorkers = code;
    navigator.storage.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'));
  }, refuse);
  await page.getByRole('tab', { name: 'Train' }).click();
  await says(page, /^This browser keeps nothing for this page/);
  const entries: Record<string, Uint8Array> = {};
  for (const [i, { image, labels }] of scenes.entries()) {
    entries[`${i}.png`] = await encodeRgbPng(image);
    entries[`${i}_mask.png`] = await encodeLabelPng({ ...labels, data: labels.data.map((id) => id % 2) });
  }
  const panel = page.locator('#panel-train');
  await panel
    .locator('input[type="file"]')
    .first()
    .setInputFiles({ name: 'set.zip', mimeType: '', buffer: Buffer.from(zipSync(entries)) });
  await panel.getByText('100 % painted').nth(1).waitFor();
  await panel.getByLabel('Longest side in training').selectOption('160');
  await panel.getByRole('button', { name: 'Start training' }).click();
  await panel.getByText(/^Step [2-9]/).waitFor();
  await panel.getByRole('button', { name: 'Stop', exact: true }).click();
  await panel.getByRole('button', { name: /^Resume at step/ }).waitFor();
  const { bytes } = await saved('Download the model');
  assert.ok(decodeModel(bytes, 'download').info.trained.step >= 2);
  assert.deepEqual(complaints, []);
});
