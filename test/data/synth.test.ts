import assert from 'node:assert/strict';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../src/data/datasets.js';
import { readInstances } from '../../src/data/label-image.js';
import { cityscapesClasses } from '../../src/data/layouts/cityscapes.js';
import { readSample } from '../../src/data/read-sample.js';
import { renderScene, type Scene, writeSynthetic } from '../../src/data/synth.js';
import { rejects, temporary } from './helpers.js';

test('a scene depends on seed and index alone', () => {
  const scene = renderScene(3, 5, 64, 128);
  assert.deepEqual(renderScene(3, 5, 64, 128), scene);
  assert.notDeepEqual(renderScene(3, 6, 64, 128).image, scene.image);
  assert.notDeepEqual(renderScene(4, 5, 64, 128).image, scene.image);
});

test('twenty scenes hold all 19 classes, each in several, and instances belong to their labels', () => {
  const scenes = new Map<number, number>();
  for (let i = 0; i < 20; i++) {
    const { labels, instances } = renderScene(1, i, 128, 256);
    for (const id of new Set(labels.data.map((raw) => cityscapesClasses.mapping[raw]))) {
      scenes.set(id, (scenes.get(id) ?? 0) + 1);
    }
    labels.data.forEach((label, p) => {
      const instance = instances.data[p];
      assert.equal(instance < 1000 ? instance : Math.floor(instance / 1000), label);
    });
  }
  cityscapesClasses.names.forEach((name, id) => {
    assert.ok((scenes.get(id) ?? 0) >= 3, `${name} is in ${scenes.get(id) ?? 0} of 20 scenes`);
  });
});

test('at dusk it is the same street below a far brighter sky; any has both lights', () => {
  const mean = ({ image, labels }: Scene, id: number) => {
    let [sum, n] = [0, 0];
    for (let p = 0; p < labels.data.length; p++) {
      if (labels.data[p] === id) [sum, n] = [sum + image.data[3 * p + 1], n + 1];
    }
    return sum / n;
  };
  const lights = Array.from({ length: 12 }, (_, index) => {
    const [day, dusk] = (['day', 'dusk'] as const).map((light) => renderScene(5, index, 64, 128, light));
    assert.deepEqual(dusk.labels, day.labels);
    assert.deepEqual(dusk.instances, day.instances);
    const [sky, road] = [mean(dusk, 23), mean(dusk, 7)];
    assert.ok(sky > 90 && road < 50 && sky > 3 * road, `scene ${index}: sky ${sky}, road ${road}`);
    assert.ok(mean(day, 7) > 1.5 * road, `scene ${index}`);
    const any = renderScene(5, index, 64, 128, 'any').image.data;
    return [day, dusk].findIndex(({ image }) => Buffer.compare(image.data, any) === 0);
  });
  assert.deepEqual([...new Set(lights)].sort(), [0, 1]);
});

test('a scene is the same at every size: labels agree after shrinking', () => {
  const large = renderScene(2, 1, 256, 512).labels.data;
  const small = renderScene(2, 1, 128, 256).labels.data;
  let same = 0;
  small.forEach((label, p) => {
    const q = 2 * Math.floor(p / 256) * 512 + 2 * (p % 256);
    if ([large[q], large[q + 1], large[q + 512], large[q + 513]].includes(label)) same++;
  });
  assert.ok(same / small.length > 0.98, `only ${same} of ${small.length} pixels agree`);
});

test('writes the Cityscapes layout, resumes, and refuses foreign folders', async () => {
  const out = temporary();
  const options = { out, count: 3, height: 48, width: 96, seed: 9 };
  assert.equal(await writeSynthetic(options), 3);
  const dataset = await openDataset(out);
  assert.deepEqual(
    [dataset.name, dataset.samples('train').length, dataset.samples('val').length],
    ['cityscapes', 2, 1],
  );
  const [sample] = dataset.samples('val');
  const { image, labels } = await readSample(dataset, sample);
  const scene = renderScene(9, 2, 48, 96);
  assert.deepEqual(image, scene.image);
  assert.deepEqual(
    labels.data,
    scene.labels.data.map((raw) => cityscapesClasses.mapping[raw]),
  );
  assert.deepEqual(await readInstances(sample.instances ?? ''), scene.instances);
  const before = statSync(sample.image).mtimeMs;
  rmSync(dataset.samples('train')[0].image);
  assert.equal(await writeSynthetic(options), 1);
  assert.equal(statSync(sample.image).mtimeMs, before);
  await rejects(() => writeSynthetic({ ...options, seed: 10 }), 'other settings');
  const foreign = temporary();
  writeFileSync(path.join(foreign, 'thesis.txt'), 'precious');
  await rejects(() => writeSynthetic({ ...options, out: foreign }), 'not empty', 'thesis.txt');
  await rejects(() => writeSynthetic({ ...options, count: 0 }), 'count is 0');
  await rejects(() => writeSynthetic({ ...options, width: 8 }), 'width is 8');
  await rejects(() => writeSynthetic({ ...options, valFraction: 1 }), 'valFraction');
});
