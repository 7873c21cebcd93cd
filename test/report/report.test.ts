import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ruleY } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { renderChart } from '../../src/report/chart.js';
import { classChart, lossChart, memoryChart, runsChart, scoreChart } from '../../src/report/charts.js';
import { renderComparison } from '../../src/report/comparison.js';
import type { ReportData } from '../../src/report/data.js';
import { formatBytes, formatDuration, formatRate, formatScore } from '../../src/report/format.js';
import { renderReport } from '../../src/report/html.js';
import { labelsUri, photoUri } from '../../src/report/images.js';

const pixel = 'data:image/png;base64,iVBORw0KGgo=';

const data: ReportData = {
  title: 'VNet on <b>streets</b> & "roads"',
  subtitle: '2 classes',
  running: false,
  headline: [{ label: 'validation mIoU', value: '57.3 %', note: 'best, epoch 2' }],
  loss: Array.from({ length: 2000 }, (_, i) => ({ epoch: (i + 1) / 100, loss: 3 * Math.exp(-i / 500) })),
  scores: [
    { epoch: 1, miou: 0.25 },
    { epoch: 2, miou: 0.573 },
  ],
  classes: [
    { name: 'road', colour: [128, 64, 128], iou: 0.9 },
    { name: 'car', colour: [0, 0, 142], iou: undefined },
  ],
  memory: {
    arenaBytes: 3 << 20,
    timeline: [
      { label: 'stem.conv1', phase: 'forward', bytes: 1 << 20 },
      { label: 'stem.conv1/grad', phase: 'backward', bytes: 3 << 20 },
    ],
    facts: [{ label: 'Planned', value: '3.0 MiB' }],
  },
  time: [{ label: 'One step', value: '190 ms' }],
  settings: [{ label: 'batch', value: '4' }],
  samples: [{ name: 'a', miou: 0.5, image: pixel, prediction: pixel, truth: pixel }],
  worst: [{ name: 'b', miou: 0.1, image: pixel, prediction: pixel, truth: pixel }],
};

test('the report holds every part and loads nothing', () => {
  const html = renderReport(data);
  const { document } = parseHTML(html);
  assert.equal(document.querySelector('h1')!.textContent, data.title, 'text is escaped');
  assert.equal(document.querySelectorAll('b b').length, 0);
  const headings = [...document.querySelectorAll('h2')].map((heading) => heading.textContent);
  const wanted =
    'Learning,Loss,Validation mIoU,IoU per class,Input, prediction, truth,Memory and time,Memory,Time';
  for (const part of [...wanted.split(',').filter((word) => !word.startsWith(' ')), 'Worst images']) {
    assert.ok(
      headings.some((heading) => heading?.startsWith(part)),
      part,
    );
  }
  assert.equal(document.querySelectorAll('svg').length, 4);
  assert.equal(document.querySelectorAll('img').length, 6);
  for (const image of document.querySelectorAll('img'))
    assert.match(image.getAttribute('src')!, /^data:image\//);
  assert.equal(document.querySelectorAll('script, link, iframe').length, 0);
  assert.doesNotMatch(html.replaceAll('http://www.w3.org/2000/svg', ''), /https?:|url\(|@import/);
  assert.doesNotMatch(html, /http-equiv="refresh"/);
  assert.match(html, /prefers-color-scheme:\s*dark/);
});

test('the page of a run that goes on loads itself again; parts without data are left out', () => {
  const html = renderReport({
    ...data,
    running: true,
    loss: [],
    scores: [],
    classes: [],
    memory: undefined,
    time: [],
    samples: [],
    worst: [],
    settings: [],
  });
  assert.match(html, /http-equiv="refresh" content="\d+"/);
  const { document } = parseHTML(html);
  assert.equal(document.querySelectorAll('section, svg, img').length, 0);
});

test('charts draw their data: one bar a class and a call, curves within the frame', () => {
  const bars = (svg: string) => parseHTML(svg).document.querySelectorAll('[aria-label="bar"] rect').length;
  assert.equal(bars(classChart(data.classes)), 2);
  const memory = parseHTML(memoryChart(data.memory!.timeline, data.memory!.arenaBytes)).document;
  assert.equal(memory.querySelectorAll('[aria-label="rect"] rect').length, 2);
  assert.match(memory.querySelector('[aria-label="rect"]')!.textContent!, /stem\.conv1\/grad: 3\.0 MiB/);
  for (const svg of [
    lossChart(data.loss),
    scoreChart(data.scores),
    runsChart([{ name: 'a', scores: data.scores }]),
  ]) {
    const { document } = parseHTML(svg);
    const [, , width, height] = document
      .querySelector('svg')!
      .getAttribute('viewBox')!
      .split(' ')
      .map(Number);
    const path = document.querySelector('[aria-label="line"] path')!.getAttribute('d')!;
    const points = [...path.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    assert.ok(points.length > 1);
    for (const [x, y] of points) assert.ok(x >= 0 && x <= width && y >= 0 && y <= height, `${x},${y}`);
  }
  assert.match(scoreChart(data.scores), />57\.3</);
});

test('a chart for a file of its own brings its colours', () => {
  const spec = { marks: [ruleY([1], { stroke: 'var(--accent)' })] };
  const alone = renderChart(spec, { standalone: true });
  assert.match(alone, /^<svg[^>]+xmlns="http[^>]+background:#ffffff/);
  assert.match(alone, /stroke="#2f6fde"/);
  assert.doesNotMatch(alone, /var\(--accent/, 'not every viewer resolves variables');
  assert.match(renderChart(spec), /stroke="var\(--accent\)"/);
});

test('pictures are embedded: exact class colours, photos made smaller', async () => {
  const colours = [
    [128, 64, 128],
    [0, 0, 142],
  ] as const;
  const uri = await labelsUri({ width: 2, height: 2, data: Uint8Array.of(0, 1, 255, 1) }, colours);
  const { default: sharp } = await import('sharp');
  const decode = (text: string) =>
    sharp(Buffer.from(text.split(',')[1], 'base64'))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
  assert.deepEqual([...(await decode(uri)).data], [128, 64, 128, 0, 0, 142, 0, 0, 0, 0, 0, 142]);
  const photo = await photoUri({ width: 1000, height: 50, data: new Uint8Array(150_000).fill(99) });
  assert.match(photo, /^data:image\/jpeg;base64,/);
  assert.deepEqual((await decode(photo)).info.width, 640);
});

test('a comparison shows each model with each image', () => {
  const html = renderComparison({
    subtitle: 'scored',
    columns: ['mIoU %'],
    models: [
      { name: 'full', cells: ['50.0'], scores: data.scores },
      { name: 'crop', cells: ['48.0'], scores: [] },
    ],
    classes: { names: ['road'], colours: [[128, 64, 128]] },
    images: [{ name: 'a', image: pixel, predictions: [pixel, pixel], truth: pixel }],
  });
  const { document } = parseHTML(html);
  const labels = [...document.querySelectorAll('.row span')].map((span) => span.textContent);
  assert.deepEqual(labels, ['input', 'full', 'crop', 'truth']);
  assert.equal(document.querySelectorAll('table.runs tr').length, 3);
});

test('numbers as people read them', () => {
  assert.deepEqual([0, 1023, 34 * 1024, 505_933_440, 1_625_817_728].map(formatBytes), [
    '0 B',
    '1023 B',
    '34 KiB',
    '482.5 MiB',
    '1.51 GiB',
  ]);
  assert.deepEqual([0.85, 9.4, 12.3, 59.96, 245, 7400].map(formatDuration), [
    '850 ms',
    '9.4 s',
    '12 s',
    '1 min 00 s',
    '4 min 05 s',
    '2 h 03 min',
  ]);
  assert.deepEqual([22.73, 2.345, 0.2, 0].map(formatRate), [
    '22.7 images/s',
    '2.35 images/s',
    '5.00 s/image',
    '– images/s',
  ]);
  assert.deepEqual([0.5625, 1, undefined, null].map(formatScore), ['56.3', '100.0', '–', '–']);
});
