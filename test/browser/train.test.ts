/** The tab Train as a person uses it: pictures, paint, a falling loss, the tab closed and opened, the model used. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { zipSync } from 'fflate';
import type { BrowserContext, Page } from 'playwright-core';
import { encodeLabelPng, encodeRgbPng } from '../../src/data/image.js';
import { Rng } from '../../src/data/rng.js';
import { FilesStore, loadModel, MemoryFiles, trainPictures } from '../../src/index.js';
import { decodeModel } from '../../src/model/format.js';
import { hasChromium } from './serve.js';
import type { Host } from './site.js';
import { dressGpu, hostSite, openChromium, openSite, putBehind, says } from './site.js';

const skip = hasChromium ? false : 'no Chromium (install it, or set CHROMIUM to its path)';
const shots = process.env.VNET_TEST_SHOTS;
const kept = mkdtempSync(path.join(tmpdir(), 'vnet-chromium-'));
const complaints: string[] = [];
declare global {
  var wholeRequest: GPUAdapter['requestDevice'] | undefined;
  var wholeScope: GPUDevice['popErrorScope'] | undefined;
}
let host: Host;
let context: BrowserContext;
let page: Page;
const [width, height] = [160, 120];

/** A bright ball somewhere on dark ground, both with some noise. */
function scene(index: number) {
  const rng = Rng.of(11, index);
  const [x, y, radius] = [rng.range(50, 110), rng.range(40, 80), rng.range(18, 34)];
  const data = new Uint8Array(3 * width * height);
  const labels = new Uint8Array(width * height);
  for (let p = 0; p < labels.length; p++) {
    const inside = Math.hypot((p % width) - x, Math.floor(p / width) - y) < radius;
    labels[p] = inside ? 1 : 0;
    const colour = inside ? [230, 150, 40] : [40, 60, 80];
    for (let c = 0; c < 3; c++) data[3 * p + c] = colour[c] + rng.int(24);
  }
  return { x, y, radius, image: { width, height, data }, labels: { width, height, data: labels } };
}

before(async () => {
  if (!hasChromium) return;
  host = await hostSite();
  context = await openChromium(kept);
  page = await openSite(context, host, complaints);
  await page.getByRole('tab', { name: 'Train' }).click();
});
after(async () => {
  await context?.close();
  host?.close();
  rmSync(kept, { recursive: true, force: true });
});

const step = async (): Promise<number> =>
  Number(/Step (\d+)/.exec((await page.locator('[data-fact="training"]').textContent()) ?? '')?.[1] ?? 0);
const curveOf = (title: string): Promise<number[]> =>
  page
    .getByRole('img', { name: title })
    .locator('path.reversible')
    .evaluate((path) => [...path.getAttribute('d')!.matchAll(/ ([\d.]+)/g)].map(([, y]) => -Number(y)));

const crashGpu = async () => {
  const session = await context.newCDPSession(page);
  await session.send('Browser.crashGpuProcess').catch(() => undefined);
};
/** @param quotaSize bytes; default: as it is. */
const limitStorage = async (quotaSize?: number) => {
  const session = await context.newCDPSession(page);
  const { origin } = new URL(host.address);
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
};

test('pictures are painted by brush and polygon, undone, and kept', { skip }, async () => {
  const files = await Promise.all(
    [0, 1, 2].map(async (i) => ({
      name: `ball-${i}.png`,
      mimeType: 'image/png',
      buffer: Buffer.from(await encodeRgbPng(scene(i).image)),
    })),
  );
  const panel = page.locator('#panel-train');
  const asked = await page.evaluateHandle(() => {
    const calls: string[] = [];
    navigator.storage.persist = () => Promise.resolve(calls.push('persist') > 0);
    return calls;
  });
  await panel.locator('input[type="file"]').first().setInputFiles(files);
  await panel.locator('.strip button').nth(2).waitFor();
  assert.equal(await panel.locator('.strip button').count(), 3);
  assert.deepEqual(await asked.jsonValue(), ['persist'], 'the browser is asked to keep them');
  for (const i of [0, 1, 2]) {
    const { x, y, radius } = scene(i);
    await panel.locator('.strip button').nth(i).click();
    const box = (await panel.locator('.painter canvas.picture').boundingBox())!;
    const at = (px: number, py: number) =>
      [box.x + (px / width) * box.width, box.y + (py / height) * box.height] as const;
    // The ground by one stroke from a corner and round the ball, the ball by a polygon inside of it.
    await panel.getByRole('button', { name: 'Brush' }).click();
    await panel.getByLabel('Paint background').click();
    await page.mouse.move(...at(8, 6));
    await page.mouse.down();
    await page.mouse.move(...at(width - 8, 6), { steps: 4 });
    for (let turn = 0; turn <= 16; turn++) {
      const angle = (turn / 8) * Math.PI - Math.PI / 2;
      await page.mouse.move(...at(x + (radius + 7) * Math.cos(angle), y + (radius + 7) * Math.sin(angle)));
    }
    await page.mouse.up();
    await panel.getByRole('button', { name: 'Polygon' }).click();
    await panel.getByLabel('Paint object').click();
    const r = 0.8 * radius;
    for (const [dx, dy] of [
      [-r, 0],
      [0, -r],
      [r, 0],
      [0, r],
    ])
      await page.mouse.click(...at(x + dx, y + dy));
    await panel.getByRole('button', { name: 'Close polygon' }).click();
  }
  const third = panel.locator('.strip button').nth(2);
  const share = async () => Number.parseInt((await third.textContent())!, 10);
  await third.getByText(/\d % painted/).waitFor();
  const painted = await share();
  assert.ok(painted > 15 && painted < 50, `${painted} % painted`);
  await panel.getByRole('button', { name: 'Undo' }).click();
  await third.getByText(`${painted} %`).waitFor({ state: 'detached' });
  assert.ok((await share()) < painted);
  await panel.getByRole('button', { name: 'Undo' }).click();
  await third.getByText('not painted').waitFor();
  // By keys: the brush in the middle, and back.
  await panel.locator('.painter .view').focus();
  for (const key of ['b', '2', ' ']) await page.keyboard.press(key);
  await third.getByText('under 1 % painted').waitFor();
  await page.keyboard.press('z');
  await third.getByText('not painted').waitFor();
});

test('the memory is told first; then the loss falls; stopped, closed, and gone on with', {
  skip,
}, async () => {
  const panel = page.locator('#panel-train');
  await panel.getByLabel('Longest side in training').selectOption('160');
  await panel.getByLabel('Steps').selectOption('short');
  assert.match(
    (await panel.locator('.memory summary').textContent())!,
    /A step will take [\d.]+ MiB \(2 × 160×120\)/,
  );
  // As if another tab were training.
  const other = await page.evaluateHandle(() => {
    let free = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      free = resolve;
    });
    void navigator.locks.request('run', () => held);
    return { free };
  });
  await panel.getByRole('button', { name: 'Start training' }).click();
  await says(page, /^Another tab of this page is training: stop it there first\.$/);
  await other.evaluate(({ free }) => free());
  // A machine of half a mebibyte.
  await page.evaluate(() => {
    globalThis.inWorkers = "Object.defineProperty(navigator, 'deviceMemory', { value: 1e-3 });";
  });
  await panel.getByRole('button', { name: 'Start training' }).click();
  await says(
    page,
    /^Training: needs \d+ MiB of memory, of 1 MiB that can be had: choose a smaller “Longest side in training”\.$/,
  );
  await page.evaluate(() => {
    globalThis.inWorkers = undefined;
  });
  await panel.getByRole('button', { name: 'Start training' }).click();
  await page.waitForFunction(() =>
    /Step (2\d|[3-9]\d)/.test(document.querySelector('[data-fact="training"]')?.textContent ?? ''),
  );
  await panel.getByText('The model it begins with tells 11 classes apart, and yours are 2:').waitFor();
  if (shots) await page.screenshot({ path: path.join(shots, 'train-running.png'), fullPage: true });
  await panel.getByRole('button', { name: 'Stop', exact: true }).click();
  await panel.getByRole('button', { name: /^Resume at step/ }).waitFor();
  const stopped = Number(
    /\d+/.exec((await panel.getByRole('button', { name: /^Resume/ }).textContent())!)![0],
  );
  assert.ok(stopped >= 20, `stopped at ${stopped}`);

  await context.close();
  context = await openChromium(kept, { gpu: true });
  page = await openSite(context, host, complaints);
  await page.getByRole('tab', { name: 'Train' }).click();
  const again = page.locator('#panel-train');
  const isPast = (from: number) =>
    page.waitForFunction(
      (past) => {
        const says = document.querySelector('[data-fact="training"]')?.textContent ?? '';
        return Number(/Step (\d+)/.exec(says)?.[1]) > past;
      },
      from,
      { polling: 50 },
    );
  // There is a GPU now, and it is lost while it is made ready.
  const compiles = await page.evaluateHandle((dress) => {
    globalThis.inWorkers = `globalThis.hasCard = true; (${dress})();`;
    const heard = new BroadcastChannel('gpu');
    return { promise: new Promise((resolve) => heard.addEventListener('message', resolve)) };
  }, String(dressGpu));
  await again.getByRole('button', { name: `Resume at step ${stopped}` }).click();
  await compiles.evaluate(({ promise }) => promise.then(() => undefined));
  await page.evaluate(() => {
    globalThis.inWorkers = undefined;
  });
  await crashGpu();
  await says(page, new RegExp(`GPU was lost .*; the training goes on on CPU cores from step ${stopped}\\.$`));
  // Then nobody sees the tab, and the storage is full: only the tab keeps what comes.
  const titles = await page.evaluateHandle(() => {
    const seen: string[] = [];
    const title = document.querySelector('title')!;
    new MutationObserver(() => document.hidden && seen.push(document.title)).observe(title, {
      childList: true,
    });
    return seen;
  });
  await putBehind(page, true);
  await limitStorage(1000);
  await isPast(0);
  assert.ok((await step()) > stopped, 'it goes on from there');
  await page.waitForFunction((seen) => seen.some((title) => /^\d+ % – VNet$/.test(title)), titles, {
    polling: 50,
  });
  await putBehind(page, false);
  await says(page, /storage is full: the training goes on, but from here on only this tab keeps it/);
  await again.getByRole('button', { name: 'Use on the tab Segment' }).waitFor();
  const losses = await curveOf('Loss');
  assert.equal(losses.length, 150);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  // Heights on the page: the axis begins at 0, 146 pixels below the highest loss.
  const [first, last] = [mean(losses.slice(0, 10)) + 156, mean(losses.slice(-10)) + 156];
  assert.ok(last < 0.3 * first, `the loss falls from ${first} to ${last} pixels`);
  // The column at the side ends where the curves below do.
  const right = async (selector: string) =>
    page.locator(selector).evaluate((element) => element.getBoundingClientRect().right);
  assert.ok(
    (await right('#panel-train .side .card:last-child')) <= (await right('#panel-train .work')) + 0.5,
  );
  if (shots) await page.screenshot({ path: path.join(shots, 'train-done.png'), fullPage: true });
});

test('the model: downloaded, it loads in Node; used at once on the other tab', { skip }, async () => {
  const panel = page.locator('#panel-train');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    panel.getByRole('button', { name: 'Download the model' }).click(),
  ]);
  const bytes = readFileSync(await download.path());
  const { info } = decodeModel(bytes, 'download');
  assert.equal(info.trained.step, 150, 'what the storage did not take');
  assert.deepEqual(info.classes.names, ['background', 'object']);
  assert.deepEqual(info.trained.image, [120, 160]);
  const file = path.join(kept, 'own.safetensors');
  await download.saveAs(file);
  assert.equal((await loadModel(file)).network.classes, 2);

  // A card that cannot be opened is passed over.
  await page.evaluate(() => {
    globalThis.hasCard = true;
    globalThis.wholeRequest = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error('no'));
  });
  await panel.getByRole('button', { name: 'Use on the tab Segment' }).click();
  const buffer = Buffer.from(await encodeRgbPng(scene(9).image));
  const segment = page.locator('#panel-segment');
  await segment
    .locator('input[type="file"]')
    .first()
    .setInputFiles({ name: 'new.png', mimeType: 'image/png', buffer });
  await segment.locator('.legend li').nth(1).waitFor();
  await page.waitForFunction(
    () => document.querySelector('#panel-segment [role="status"]')?.textContent === '',
  );
  const names = await segment.locator('.legend li span:not(.value)').allTextContents();
  assert.deepEqual(names, ['background', 'object']);
  await page.evaluate(() => {
    globalThis.hasCard = false;
    GPUAdapter.prototype.requestDevice = globalThis.wholeRequest!;
  });
  const shares = (await segment.locator('.legend .value').allTextContents()).map(Number.parseFloat);
  const truth = (100 * scene(9).labels.data.reduce((a, b) => a + b, 0)) / (width * height);
  assert.ok(Math.abs(shares[1] - truth) < 0.35 * truth, `${shares[1]} % of the picture, in truth ${truth} %`);
});

test('a GPU that is lost under pictures and under the camera: CPU cores go on, and it can be chosen again', {
  skip,
}, async () => {
  // Narrow, since the software adapter compiles long.
  const files = new MemoryFiles();
  const network = { alpha: 0, beta: 0, stem: 4, widths: [8, 16], pyramid: [3] };
  await trainPictures({
    ...{ train: [{ id: 'ball', ...scene(0) }], batch: 1, epochs: 1, validateEvery: 0 },
    ...{ network: { name: 'vnet', config: network }, store: new FilesStore(files) },
    classes: {
      names: ['ground', 'ball'],
      colours: [
        [90, 90, 90],
        [230, 150, 40],
      ],
    },
  });
  const buffer = Buffer.from((await files.read('last.safetensors'))!);
  const segment = page.locator('#panel-segment');
  const device = segment.getByLabel('Device');
  const running = (name: string, rate = -1) =>
    page.waitForFunction(
      ([where, least]) => {
        const fact = (of: string) =>
          document.querySelector(`#panel-segment [data-fact="${of}"]`)?.textContent;
        const says = document.querySelector('#panel-segment [role="status"]')?.textContent;
        const pace = Number(fact('rate')?.replace('–', '0'));
        return says === '' && fact('device')?.startsWith(where) && pace > least;
      },
      [name, rate] as const,
      { polling: 50 },
    );
  await segment.getByLabel('Longest side').selectOption('320');
  await segment
    .locator('input[accept=".safetensors"]')
    .first()
    .setInputFiles({ name: 'narrow.safetensors', mimeType: '', buffer });
  await page.evaluate(() => {
    globalThis.hasCard = true;
  });
  await device.selectOption('GPU');
  await running('A card');
  await crashGpu();
  // Nothing is asked of it until there is another picture to see.
  const pick = (name: string, content: Buffer) =>
    segment
      .locator('input[type="file"]')
      .first()
      .setInputFiles({ name, mimeType: 'image/png', buffer: content });
  await pick('next.png', Buffer.from(await encodeRgbPng(scene(8).image)));
  await says(page, /GPU was lost .*; CPU cores go on/);
  await running('CPU cores');
  await page.getByRole('img', { name: 'next.png, segmented' }).waitFor();
  assert.equal(await segment.locator('.model').textContent(), 'narrow.safetensors');
  await device.selectOption('GPU');
  await running('A card');
  // It has not the memory for a size.
  await page.evaluate(() => {
    globalThis.wholeScope = GPUDevice.prototype.popErrorScope;
    GPUDevice.prototype.popErrorScope = () => Promise.resolve(new GPUOutOfMemoryError('none left'));
  });
  const small = await encodeRgbPng({ width: 96, height: 64, data: new Uint8Array(3 * 96 * 64) });
  await pick('small.png', Buffer.from(small));
  await says(page, /^small\.png: needs \d+ MiB of memory, which the GPU does not give; CPU cores go on\.$/);
  await page.evaluate(() => {
    GPUDevice.prototype.popErrorScope = globalThis.wholeScope!;
  });
  await running('CPU cores');
  await page.getByRole('img', { name: 'small.png, segmented' }).waitFor();
  await device.selectOption('GPU');
  await running('A card');
  await segment.getByRole('button', { name: 'Camera' }).click();
  await running('A card', 0);
  await crashGpu();
  await says(page, /GPU was lost .*; CPU cores go on/);
  await running('CPU cores', 0);
  await segment.getByRole('button', { name: 'Stop' }).click();
});

test('a zip of pictures with masks; what cannot be read is one sentence', { skip }, async () => {
  await page.getByRole('tab', { name: 'Train' }).click();
  const panel = page.locator('#panel-train');
  const input = panel.locator('input[type="file"]').first();
  const entries: Record<string, Uint8Array> = {
    'set/classes.json': Buffer.from('{"names": ["ground", "ball"]}'),
  };
  for (const i of [3, 4]) {
    entries[`set/images/b${i}.png`] = await encodeRgbPng(scene(i).image);
    entries[`set/masks/b${i}.png`] = await encodeLabelPng(scene(i).labels);
  }
  await input.setInputFiles({
    name: 'set.zip',
    mimeType: 'application/zip',
    buffer: Buffer.from(zipSync(entries)),
  });
  await panel.locator('.strip button').nth(4).waitFor();
  await panel.locator('.strip button').nth(4).getByText('100 % painted').waitFor();
  const names = await panel
    .locator('.classes input[type="text"]')
    .evaluateAll((all) => all.map((each) => (each as HTMLInputElement).value));
  assert.deepEqual(names, ['background', 'object', 'ground', 'ball']);
  await input.setInputFiles({
    name: 'broken.zip',
    mimeType: 'application/zip',
    buffer: Buffer.from('no zip'),
  });
  await panel.getByRole('alert').getByText('broken.zip: cannot be unpacked').waitFor();
  await panel.getByRole('button', { name: 'Dismiss' }).click();
  assert.equal(await panel.locator('.strip button').count(), 5);
  // The model of the training before knows two of the four classes: it paints those.
  await panel.locator('.strip button').nth(2).click();
  await panel.getByRole('button', { name: 'Start from the model' }).click();
  await page.waitForFunction(() =>
    /[1-9]\d* % painted/.test(document.querySelectorAll('#panel-train .strip button')[2].textContent ?? ''),
  );
  const buffer = Buffer.from(await encodeRgbPng(scene(7).image));
  await input.setInputFiles({ name: 'one-more.png', mimeType: 'image/png', buffer });
  await panel
    .getByRole('alert')
    .getByText(/storage .* is full: free some space/)
    .waitFor();
  await panel.getByRole('button', { name: 'Dismiss' }).click();
  // Nor does a training begin, and the model of the last one is still there.
  await panel.getByRole('button', { name: 'Start training' }).click();
  await panel
    .getByRole('alert')
    .getByText(/storage is full: free some space, then start again. The model of your last training is kept/)
    .waitFor();
  await panel.getByRole('button', { name: 'Dismiss' }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    panel.getByRole('button', { name: 'Download the model' }).click(),
  ]);
  assert.deepEqual(decodeModel(readFileSync(await download.path()), 'download').info.classes.names, [
    'background',
    'object',
  ]);
  await limitStorage();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  if (shots) await page.screenshot({ path: path.join(shots, 'train-phone-dark.png'), fullPage: true });
  assert.deepEqual(complaints, []);
});
