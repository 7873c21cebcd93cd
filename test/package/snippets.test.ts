/** The code of docs/browser.md, as it stands there, in headless Chromium: script tag, worker, React, Vite. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { build as esbuild } from 'esbuild';
import { chromium } from 'playwright-core';
import { build as vite } from 'vite';
import { serveFiles } from '../../bench/browser/serve.js';
import { executablePath, hasChromium } from '../browser/serve.js';
import { root } from '../browser/site.js';
import { temporaryFolder } from '../cli/vnet.js';

const skip = hasChromium ? false : 'no Chromium (install it, or set CHROMIUM to its path)';
const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);
const document = readFileSync(path.join(root, 'docs/browser.md'), 'utf8');

/** The code blocks of a section. */
function blocks(title: string): string[] {
  const section = document.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  assert.ok(section, `docs/browser.md has a section ${title}`);
  return [...section.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, code]) => code);
}

/** A still video: what the snippets read frames of. */
const video = `const canvas = Object.assign(document.createElement('canvas'), { width: 96, height: 64 });
const drawing = canvas.getContext('2d')!;
drawing.fillRect(0, 0, 48, 64);
const video = document.createElement('video');
video.muted = true;
video.srcObject = canvas.captureStream(10);
await video.play();
setInterval(() => drawing.fillRect(0, 0, 48, 64), 50);
while (video.videoWidth === 0) await new Promise((resolve) => setTimeout(resolve, 20));`;

test('the code of docs/browser.md runs as it stands there', { skip }, async () => {
  mkdirSync(at('app/node_modules'), { recursive: true });
  symlinkSync(root, at('app/node_modules/vnet-segmentation'), 'junction');
  // The hooks of React by the library of the page, which has them under the same names.
  symlinkSync(path.join(root, 'node_modules/preact'), at('app/node_modules/preact'), 'junction');
  writeFileSync(at('app/package.json'), '{ "private": true, "type": "module" }');
  const [config] = blocks('Vite');
  writeFileSync(at('app/vite.config.ts'), config);
  const [worker, page] = blocks('A worker');
  writeFileSync(at('app/worker.ts'), worker);
  writeFileSync(
    at('app/main.ts'),
    `${video}\n${page}\nworker.addEventListener('message', ({ data }) => { document.title = 'worker ' + data.labels.length; });`,
  );
  writeFileSync(at('app/index.html'), '<!doctype html><script type="module" src="/main.ts"></script>');
  const [react] = blocks('React');
  writeFileSync(
    at('app/react.tsx'),
    `/** @jsxImportSource preact */
import { render } from 'preact';
import { useEffect, useState } from 'preact/compat';
import { Segmenter } from 'vnet-segmentation';
${react}
function App() {
  const segmenter = useSegmenter();
  useEffect(() => { if (segmenter) document.title = 'react ' + segmenter.device.name; }, [segmenter]);
  return null;
}
render(<App />, document.body);`,
  );
  writeFileSync(
    at('app/react.html'),
    '<!doctype html><body><script type="module" src="/react.tsx"></script>',
  );
  const [effect] = blocks('A background effect');
  writeFileSync(
    at('app/effect.ts'),
    `${effect}
const feed = async () => {
${video}
return video;
};
const video = await feed();
const expected = await segmenter.segment(video);
const people = expected.classAt(20, 20).name;
const mask = await expected.maskBitmap(people);
context.drawImage(mask, 0, 0);
mask.close();
const drawn = context.getImageData(0, 0, 96, 64).data.filter((_, i) => i % 4 === 3);
const wrong = expected.mask(people).filter((value, i) => value !== drawn[i]).length;
const given = blurred.writable.getWriter();
void given.write(new VideoFrame(video, { timestamp: 7 }));
const { value } = await blurred.readable.getReader().read();
document.title = ['effect', value!.displayWidth, value!.displayHeight, value!.timestamp, wrong].join(' ');`,
  );
  writeFileSync(at('app/effect.html'), '<!doctype html><script type="module" src="/effect.ts"></script>');
  await vite({
    root: at('app'),
    logLevel: 'error',
    build: {
      outDir: at('out'),
      target: 'es2022',
      rollupOptions: { input: ['index', 'react', 'effect'].map((name) => at(`app/${name}.html`)) },
    },
  });

  const [tag] = blocks('A script tag');
  mkdirSync(at('out/tag'));
  await esbuild({
    stdin: { contents: "export { Segmenter } from 'vnet-segmentation';", resolveDir: at('app') },
    ...{ bundle: true, format: 'esm', outfile: at('out/tag/segmenter.js'), logLevel: 'silent' },
    target: 'es2022',
  });
  cpSync(path.join(root, 'build/assets'), at('out/tag/vnet'), { recursive: true });
  writeFileSync(
    at('out/tag/index.html'),
    `<!doctype html>${tag.replace('</script>', "document.title = 'tag ' + segmenter.classes.length;</script>")}`,
  );

  const server = await serveFiles((name) => at('out', name));
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    for (const [place, title] of [
      ['/', `worker ${64 * 96}`],
      ['/react.html', 'react wasm'],
      ['/effect.html', 'effect 96 64 7 0'],
      ['/tag/', 'tag 11'],
    ]) {
      const opened = await browser.newPage();
      opened.setDefaultTimeout(120_000);
      const complaints: string[] = [];
      opened.on('pageerror', ({ message }) => complaints.push(message));
      await opened.goto(new URL(place, server.url).href);
      await opened
        .waitForFunction((wanted) => globalThis.document.title === wanted, title)
        .catch(() => {
          assert.fail(
            `${place}: expected the title ${title}; ${complaints.join(' ') || 'no error was told'}`,
          );
        });
      await opened.close();
    }
  } finally {
    await browser.close();
    server.close();
  }
});
