import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { decodeImage } from '../../src/data/image.js';
import { decodeModel } from '../../src/model/format.js';
import type { RunDetails, RunSummary } from '../../src/server/runs.js';
import { readMetrics } from '../../src/train/metrics.js';
import { train } from '../../src/train/train.js';
import { shortRun, writeDataset } from '../train/support.js';
import { serve, temporaryFolder } from './support.js';

const folder = temporaryFolder();
const runs = path.join(folder, 'runs');
const at = (...names: string[]) => path.join(runs, ...names);
await writeDataset(path.join(folder, 'data'), { train: 4, val: 2 });
await train({ ...shortRun(path.join(folder, 'data'), at('first')), samples: 2 });
const server = await serve({ runs });
const get = (url: string, headers: Record<string, string> = {}) => fetch(server.url + url, { headers });
const list = async () => ((await (await get('/v1/runs')).json()) as { runs: RunSummary[] }).runs;

test('a run as it stands in its folder: curves, pictures, model', async () => {
  const [summary] = await list();
  assert.equal(summary.name, 'first');
  assert.equal(summary.running, false);
  assert.deepEqual([summary.epoch, summary.epochs], [3, 3]);
  const run = (await (await get('/v1/runs/first')).json()) as RunDetails;
  const metrics = await readMetrics(at('first', 'metrics.jsonl'));
  assert.deepEqual(
    run.steps.map(({ step, loss }) => [step, loss]),
    metrics.flatMap((line) => (line.type === 'step' ? [[line.step, line.loss]] : [])),
  );
  const scores = metrics.flatMap((line) => (line.type === 'validation' ? [line.miou] : []));
  assert.deepEqual(
    run.validations.map(({ miou }) => miou),
    scores,
  );
  assert.equal(summary.miou, Math.max(...scores.map(Number)));
  assert.deepEqual(
    run.pictures.map(({ picture, epochs }) => [picture, epochs.map(({ epoch }) => epoch)]),
    [
      ['val0', [1, 2, 3]],
      ['val1', [1, 2, 3]],
    ],
  );
  const { file } = run.pictures[0].epochs[2];
  const picture = await get(`/v1/runs/first/pictures/${file}`);
  assert.equal(picture.headers.get('content-type'), 'image/jpeg');
  const { height, width } = await decodeImage(Buffer.from(await picture.arrayBuffer()), 'picture');
  assert.deepEqual([height, width], [32, 40]);
  const model = new Uint8Array(await (await get('/v1/runs/first/model')).arrayBuffer());
  assert.equal(decodeModel(model, 'model').info.network.name, 'vnet');
});

test('broken runs are said beside the others, and hostile names reach nothing', async () => {
  const config = readFileSync(at('first', 'config.json'), 'utf8');
  const broken = (name: string, text: string) => {
    mkdirSync(at(name, 'samples'), { recursive: true });
    writeFileSync(at(name, 'config.json'), text);
  };
  broken('not json', '{');
  broken('wrong', '{"epochs": "many"}');
  broken('huge', `"${'x'.repeat(2 ** 20 + 1)}"`);
  broken('<img src=x onerror=alert(1)>', config);
  broken('half', config);
  writeFileSync(at('half', 'metrics.jsonl'), `nonsense\n{"type":"step"}\n\u0000\n`);
  appendFileSync(
    at('half', 'metrics.jsonl'),
    readFileSync(at('first', 'metrics.jsonl'), 'utf8').slice(0, -30),
  );
  writeFileSync(path.join(folder, 'secret.txt'), 'secret');
  symlinkSync(path.join(folder, 'secret.txt'), at('half', 'samples', 'epoch-0001-link.jpg'));
  mkdirSync(at('half', 'samples', 'epoch-0002-folder.jpg'));
  mkdirSync(at('no run'));
  const found = new Map((await list()).map((run) => [run.name, run]));
  for (const { problem } of found.values()) assert.ok(!problem?.includes(folder), problem);
  assert.deepEqual([...found.keys()].sort(), [
    '<img src=x onerror=alert(1)>',
    'first',
    'half',
    'huge',
    'not json',
    'wrong',
  ]);
  assert.match(found.get('not json')!.problem!, /config\.json: is not valid JSON/);
  assert.match(found.get('wrong')!.problem!, /config\.json/);
  assert.match(found.get('huge')!.problem!, /cannot be read/);
  assert.equal(found.get('half')!.problem, undefined);
  assert.ok(found.get('half')!.step > 0);
  const refused = async (url: string, status: number) => {
    const response = await get(url);
    const text = await response.text();
    assert.equal(response.status, status, `${url}: ${text}`);
    assert.doesNotMatch(text, /secret/);
    assert.ok(!text.includes(folder), text);
  };
  await refused('/v1/runs/half/pictures/epoch-0001-link.jpg', 422);
  await refused('/v1/runs/half/pictures/epoch-0002-folder.jpg', 404);
  await refused('/v1/runs/half/model', 404);
  await refused('/v1/runs/wrong', 422);
  for (const name of ['..', '../data', '..%2f..', '/etc', 'no run', 'first/../..', '.', 'a'.repeat(300)]) {
    for (const rest of ['', '/model', '/pictures/epoch-0001-val0.jpg']) {
      const response = await get(`/v1/runs/${encodeURIComponent(name)}${rest}`);
      assert.ok([400, 404].includes(response.status), `${name}${rest}: ${response.status}`);
    }
  }
  for (const file of ['../config.json', '..%2fconfig.json', 'config.json', '/etc/passwd']) {
    await refused(`/v1/runs/first/pictures/${encodeURIComponent(file)}`, 404);
  }
  for (const name of found.keys()) if (name !== 'first') rmSync(at(name), { recursive: true });
});

test('ten thousand steps come as a thousand points with their means; a lock of a process that lives is a run that trains', async () => {
  mkdirSync(at('long'));
  writeFileSync(at('long', 'config.json'), readFileSync(at('first', 'config.json')));
  const line = (step: number) =>
    JSON.stringify({
      ...{ type: 'step', epoch: 0, step, loss: step % 2, learningRate: 1, gradientNorm: 1 },
      ...{ imagesPerSecond: 1, dataWait: 0 },
    });
  writeFileSync(
    at('long', 'metrics.jsonl'),
    `${Array.from({ length: 10_000 }, (_, i) => line(i + 1)).join('\n')}\n`,
  );
  writeFileSync(at('long', 'run.lock'), JSON.stringify({ pid: process.ppid, host: hostname() }));
  const run = (await (await get('/v1/runs/long')).json()) as RunDetails;
  assert.equal(run.steps.length, 1000);
  assert.deepEqual([run.steps[999].step, run.steps[0].loss], [10_000, 0.5]);
  assert.equal(run.running, true);
  assert.equal((await list())[0].name, 'long');
});

test('the token guards runs too, and without --runs there are none', async () => {
  const guarded = await serve({ runs, token: 'word' });
  assert.equal((await fetch(`${guarded.url}/v1/runs`)).status, 401);
  const headers = { authorization: 'Bearer word' };
  assert.equal((await fetch(`${guarded.url}/v1/runs`, { headers })).status, 200);
  const without = await serve();
  const response = await fetch(`${without.url}/v1/runs`);
  assert.equal(response.status, 404);
  assert.match(((await response.json()) as { error: string }).error, /started without `runs`/);
});
