/** Another engine: Firefox segments a picture by WebAssembly, with threads and without, and sends its labels back. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { writePage } from '../../bench/browser/page.js';
import { serveFiles } from '../../bench/browser/serve.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { predict, renderScene, shippedModel } from '../../src/index.js';
import { root } from './site.js';

const firefox = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const skip = existsSync(firefox) ? false : 'no Firefox (install it, or set FIREFOX to its path)';
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-firefox-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const main = `import { Segmenter } from '${path.join(root, 'build/src/browser.js')}';
const send = (body) => fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
try {
  await using segmenter = await Segmenter.load({ assets: '/vnet/' });
  const image = new Image();
  image.src = '/picture.png';
  const { labels } = await segmenter.segment(image);
  await send({ labels: [...labels], device: segmenter.device, isolated: crossOriginIsolated });
} catch (error) {
  await send({ error: String(error) });
}`;

const picture = renderScene(6, 0, 180, 240).image;

before(async () => {
  if (skip) return;
  writeFileSync(path.join(folder, 'picture.png'), await encodeRgbPng(picture));
  await writePage(folder, main);
});

interface Answer {
  readonly labels: number[];
  readonly device: { readonly name: string; readonly threads?: number };
  readonly isolated: boolean;
  readonly error?: string;
}

/** Opens the page in a fresh Firefox. @returns what the page sends. */
async function ask(isolated: boolean): Promise<Answer> {
  let answered: (answer: Answer) => void;
  const answer = new Promise<Answer>((resolve) => {
    answered = resolve;
  });
  const server = await serveFiles(
    (name) =>
      name.startsWith('/vnet/') ? path.join(root, 'build/assets', name.slice(6)) : path.join(folder, name),
    { isolated, posted: (body) => answered(JSON.parse(body) as Answer) },
  );
  const profile = path.join(folder, `profile-${isolated}`);
  mkdirSync(profile);
  writeFileSync(
    path.join(profile, 'user.js'),
    ['app.update.enabled', 'datareporting.policy.dataSubmissionEnabled', 'browser.shell.checkDefaultBrowser']
      .map((name) => `user_pref("${name}", false);\n`)
      .join(''),
  );
  const child = spawn(firefox, ['--headless', '--no-remote', '--profile', profile, server.url], {
    stdio: 'ignore',
    env: { ...process.env, HOME: folder, MOZ_DISABLE_CONTENT_SANDBOX: '1' },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    const timeout = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('Firefox did not answer in two minutes')), 120_000).unref();
    });
    return await Promise.race([answer, timeout]);
  } finally {
    child.kill();
    await ended;
    server.close();
  }
}

test('Firefox: the labels of Node, on threads where the page is isolated, else on one', {
  skip,
}, async () => {
  const expected = (await predict(shippedModel, picture, { device: 'wasm' })).data;
  for (const isolated of [true, false]) {
    const { labels, device, isolated: is, error } = await ask(isolated);
    assert.equal(error, undefined);
    assert.equal(is, isolated);
    assert.equal(device.name, 'wasm');
    if (isolated) assert.ok(device.threads! > 1, `${device.threads} threads`);
    else assert.equal(device.threads, 1);
    assert.equal(labels.length, expected.length);
    const equal = labels.filter((id, i) => id === expected[i]).length;
    assert.ok(equal >= 0.999 * expected.length, `${equal} of ${expected.length} labels agree`);
  }
});
