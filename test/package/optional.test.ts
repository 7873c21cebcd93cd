/** Without the optional packages: what needs none works, what needs one says so in a line. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { encodeJpeg, encodeRgbPng } from '../../src/data/image.js';
import { renderScene } from '../../src/index.js';

const dir = mkdtempSync(path.join(tmpdir(), 'vnet-optional-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const entry = fileURLToPath(new URL('../../src/index.js', import.meta.url));

/** Runs a module in a Node that finds none of these packages. */
function without(names: readonly string[], code: string) {
  const hook = `export const resolve = (name, context, next) => {
    if (${JSON.stringify(names)}.includes(name)) throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  };`;
  const file = path.join(dir, 'main.mjs');
  writeFileSync(
    file,
    `import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
const { Segmenter, openDevice } = await import(${JSON.stringify(pathToFileURL(entry).href)});
${code}`,
  );
  return spawnSync(process.execPath, [file], { cwd: dir, encoding: 'utf8' });
}

test('a web app that omits optional packages: PNG works, other pictures and GPUs are one line each', async () => {
  const { image } = renderScene(1, 0, 64, 96);
  writeFileSync(path.join(dir, 'a.png'), await encodeRgbPng(image));
  writeFileSync(path.join(dir, 'a.jpg'), await encodeJpeg(image, 90));
  const { stdout, stderr } = without(
    ['sharp', 'webgpu'],
    `const segmenter = await Segmenter.load({ device: 'wasm' });
console.log((await segmenter.segment('a.png')).labels.length);
await segmenter.segment('a.jpg').catch(({ name, message }) => console.log(name + ': ' + message));
await openDevice('webgpu', 'any').catch(({ name, message }) => console.log(name + ': ' + message));
await segmenter.dispose();`,
  );
  const [labels, jpeg, gpu] = stdout.trim().split('\n');
  assert.equal(labels, String(64 * 96), stderr);
  assert.match(jpeg, /^UserError: the optional package sharp cannot be loaded .*npm install sharp/);
  assert.match(gpu, /^UserError: .*webgpu/);
});
