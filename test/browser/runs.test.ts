/** The tab Runs of `vnet serve` as a person uses it, beside a training that goes on. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { train } from '../../src/train/train.js';
import { serve } from '../server/support.js';
import { shortRun, writeDataset } from '../train/support.js';
import { hasChromium } from './serve.js';
import { buildSite, openChromium } from './site.js';

const skip = hasChromium ? false : 'no Chromium (install it, or set CHROMIUM to its path)';
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-runs-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

test('runs of a folder while they train, compared; a model is used on the first tab', { skip }, async () => {
  const data = path.join(folder, 'data');
  const runs = path.join(folder, 'runs');
  const site = path.join(folder, 'site');
  await Promise.all([buildSite(site), writeDataset(data, { train: 6, val: 2 }, [48, 64])]);
  await train({ ...shortRun(data, path.join(runs, 'first')), samples: 2 });
  mkdirSync(path.join(runs, '<b>broken'));
  writeFileSync(path.join(runs, '<b>broken', 'config.json'), '{');
  const server = await serve({ runs, site, token: 'word' });
  const context = await openChromium(path.join(folder, 'chromium'));
  const complaints: string[] = [];
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${server.url}/#runs`);
    await page.getByLabel('Token of the server').fill('word');
    await page.getByRole('button', { name: 'Show runs' }).click();
    const row = (name: string) => page.locator(`[data-run="${name}"]`);
    await row('first').waitFor();
    assert.match(await row('<b>broken').innerText(), /not valid JSON/);
    assert.match(await row('first').innerText(), /ended\s+3 \/ 3/);

    // Another one starts: it is seen at once, its curve grows, and the first is laid beside it.
    const stop = new AbortController();
    const second = train({
      ...{ ...shortRun(data, path.join(runs, 'second')), epochs: 400, samples: 2 },
      signal: stop.signal,
    });
    await row('second').getByText('training').waitFor();
    await row('first').getByRole('checkbox').check();
    const curve = page.getByRole('img', { name: /^Loss: second .*first/ }).locator('path.series-0');
    await curve.waitFor({ state: 'attached' });
    const before = await curve.getAttribute('d');
    await page.waitForFunction(([d]) => document.querySelector('path.series-0')!.getAttribute('d') !== d, [
      before,
    ] as const);
    stop.abort();
    await second;
    await row('second').getByText('ended').waitFor();
    if (process.env.SCREENSHOTS) {
      await page.screenshot({ path: path.join(process.env.SCREENSHOTS, 'runs.png'), fullPage: true });
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.setViewportSize({ width: 390, height: 800 });
      await page.screenshot({
        path: path.join(process.env.SCREENSHOTS, 'runs-phone-dark.png'),
        fullPage: true,
      });
      await page.setViewportSize({ width: 1200, height: 860 });
    }

    // Alone again: the pictures of an earlier epoch.
    await row('second').getByRole('checkbox').uncheck();
    await page.getByRole('heading', { name: 'first' }).waitFor();
    const slider = page.getByRole('slider', { name: /After epoch/ });
    const newest = await page.getByRole('img', { name: /Prediction for val0/ }).getAttribute('src');
    await slider.fill('0');
    await page.getByRole('img', { name: 'Prediction for val0 after epoch 1' }).waitFor();
    await page.waitForFunction(
      ([src]) => document.querySelector('.gallery img')!.getAttribute('src') !== src,
      [newest] as const,
    );

    await page.getByRole('button', { name: 'Use first on the tab Segment' }).click();
    await page.getByRole('tab', { name: 'Segment', selected: true }).waitFor();
    await page.getByText('first.safetensors').waitFor();
    await server.stop();
    await page.getByRole('tab', { name: 'Runs' }).click();
    await page.getByText('The server does not answer').waitFor();
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
});
