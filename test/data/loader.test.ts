import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { SampleCache } from '../../src/data/cache.js';
import { openDataset } from '../../src/data/datasets.js';
import { type Batch, Loader, type LoaderOptions } from '../../src/data/loader.js';
import { writeSynthetic } from '../../src/data/synth.js';
import { colour, grey, rejects, temporary } from './helpers.js';

const root = temporary();
await writeSynthetic({ out: root, count: 9, height: 48, width: 96, seed: 4, valFraction: 0.2 });
const dataset = await openDataset(root);
const opened: Loader[] = [];
after(() => Promise.all(opened.map((loader) => loader.close())));

function loader(options: LoaderOptions, split = 'train'): Loader {
  const made = new Loader(dataset, split, options);
  opened.push(made);
  return made;
}

async function collect(from: Loader, epoch: number, startStep = 0): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of from.batches(epoch, startStep)) all.push(batch);
  return all;
}

const training: LoaderOptions = {
  batch: 2,
  seed: 7,
  shuffle: true,
  size: { crop: [32, 64] },
  augment: { scale: [0.75, 1.5], jitter: 0.3 },
};

test('the same batches with 0, 1 and 2 workers, with and without cache, in any epoch', async () => {
  const plain = loader({ ...training, workers: 0 });
  const others = [
    loader({ ...training, workers: 1 }),
    loader({ ...training, workers: 2, cache: new SampleCache(1e8) }),
    loader({ ...training, workers: 2, cache: new SampleCache(3 * 48 * 96 * 4), ahead: 0 }),
  ];
  for (const epoch of [0, 1]) {
    const expected = await collect(plain, epoch);
    assert.equal(expected.length, 3);
    assert.equal(expected[0].images.length, 2 * 32 * 64 * 3);
    for (const other of others) assert.deepEqual(await collect(other, epoch), expected);
  }
  assert.notDeepEqual(plain.order(0), plain.order(1));
  assert.deepEqual(
    [...plain.order(5)].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6],
  );
  assert.ok(others[0].waitMs > 0);
});

test('an epoch can start at any step', async () => {
  const from = loader({ ...training, workers: 1 });
  const all = await collect(from, 3);
  assert.deepEqual(await collect(from, 3, 2), all.slice(2));
  assert.deepEqual(await collect(from, 3, 3), []);
});

test('the cache stays within its budget and is used', async () => {
  const bytes = 48 * 96 * 4;
  const cache = new SampleCache(3.5 * bytes);
  const some = loader({ workers: 1, cache });
  const first = await collect(some, 0);
  assert.deepEqual(await collect(some, 1), first);
  assert.equal(cache.bytes, 3 * bytes);
  const used = dataset.samples('train').filter(({ image }) => cache.get(image));
  assert.equal(used.length, 3);
  // What is kept is what is read: other pixels in the cache arrive in the batches.
  new Uint8Array(cache.get(used[0].image)!.image).fill(9);
  const third = await collect(some, 0);
  const at = third.findIndex(({ ids }) => ids[0] === used[0].id);
  assert.ok(third[at].images.every((value) => value === 9));
});

test('a consumer that writes to a batch does not harm the cache', async () => {
  for (const workers of [0, 1]) {
    const from = loader({ workers, cache: new SampleCache(1e8) });
    const first = structuredClone(await collect(from, 0));
    for (const batch of await collect(from, 1)) batch.images.fill(0);
    assert.deepEqual(await collect(from, 2), first);
  }
});

test('without shuffle: sorted order, and the last batch is kept', async () => {
  const from = loader({ batch: 4, workers: 0 });
  const all = await collect(from, 0);
  assert.deepEqual(
    all.map(({ ids }) => ids.length),
    [4, 3],
  );
  assert.deepEqual(
    all.flatMap(({ ids }) => ids),
    dataset.samples('train').map(({ id }) => id),
  );
  assert.equal(loader({ batch: 4, dropLast: true, workers: 0 }).steps, 1);
});

test('a consumer may stop early', async () => {
  const from = loader({ workers: 2 });
  for await (const batch of from.batches(0)) {
    assert.equal(batch.ids.length, 1);
    break;
  }
  assert.equal((await collect(from, 0)).length, 7);
});

test('mistakes arrive as UserErrors, from workers too', async () => {
  await rejects(() => loader({ batch: 8, shuffle: true }), "split 'train' has 7 images", 'batch of 8');
  await rejects(() => loader({ batch: 0 }), 'batch is 0');
  await rejects(() => loader({ size: { crop: [8, 8] } }), 'size is 8×8');
  await rejects(() => loader({ workers: -1 }), 'workers is -1');
  await rejects(() => loader({}, 'test'), "no split 'test'");
  const bad = temporary();
  writeFileSync(path.join(bad, 'classes.json'), '{"names":["a"]}');
  for (const [name, width] of [
    ['a', 40],
    ['b', 41],
    ['c', 40],
  ] as const) {
    await colour(path.join(bad, `images/train/${name}.png`), width, 40);
    await grey(path.join(bad, `labels/train/${name}.png`), width, 40, 0);
  }
  await colour(path.join(bad, 'images/val/x.png'), 40, 40);
  const odd = await openDataset(bad);
  for (const workers of [0, 2]) {
    const from = new Loader(odd, 'train', { batch: 3, workers });
    await rejects(() => collect(from, 0), 'b.png', '40×41', '40×40');
    await from.close();
    writeFileSync(path.join(bad, 'labels/train/c.png'), 'no png');
    const broken = new Loader(odd, 'train', { workers, size: { crop: [32, 32] } });
    await rejects(() => collect(broken, 0), path.join(bad, 'labels/train/c.png'));
    await broken.close();
    await grey(path.join(bad, 'labels/train/c.png'), 40, 40, 0);
  }
  await rejects(() => new Loader(odd, 'val'), "split 'val' has no labels", 'x.png');
});

test('recycled memory is used again, and the batches stay what they were', async () => {
  const kept = await collect(loader({ ...training, workers: 0 }), 0);
  for (const aheadBytes of [1, 1e9]) {
    const from = loader({ ...training, workers: 2, aheadBytes });
    const memory = new Set<unknown>();
    for (const epoch of [0, 0, 0]) {
      let step = 0;
      for await (const batch of from.batches(epoch)) {
        assert.deepEqual(batch, kept[step++]);
        memory.add(batch.images.buffer);
        from.recycle(batch);
      }
      assert.equal(step, 3);
    }
    assert.ok(memory.size <= (aheadBytes === 1 ? 1 : 3), `${memory.size} buffers`);
  }
});

test('full images decoded in place: flips, colours and sizes are those of other memory', async () => {
  const augment = { jitter: 0.5 };
  const options = { batch: 1, shuffle: true, workers: 1, augment } as const;
  const [inPlace, cached] = [loader(options), loader({ ...options, cache: new SampleCache(1e8) })];
  await collect(cached, 1);
  assert.deepEqual(await collect(inPlace, 0), await collect(cached, 0));
});

test('the first batches of the next epoch are ready when it begins', async () => {
  const ready = async (epochs: number) => {
    const from = loader({ ...training, workers: 1, epochs });
    await collect(from, 0);
    // A long validation.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const waited = from.waitMs;
    for await (const batch of from.batches(1)) {
      assert.equal(batch.ids.length, 2);
      break;
    }
    return from.waitMs - waited;
  };
  const [prepared, alone] = [await ready(2), await ready(0)];
  assert.ok(prepared < alone / 2, `${prepared} ms and ${alone} ms`);
  const from = loader({ ...training, workers: 0, epochs: 2 });
  await collect(from, 0);
  assert.deepEqual(await collect(from, 1), await collect(loader({ ...training, workers: 0 }), 1));
  assert.deepEqual((await collect(from, 0, 1)).length, 2);
});

test('images of different sizes, one a batch', async () => {
  const root = temporary();
  writeFileSync(path.join(root, 'classes.json'), '{"names":["a"]}');
  const sizes = [40, 41, 41, 50, 40];
  for (const [i, width] of sizes.entries()) {
    await colour(path.join(root, `images/val/${i}.png`), width, 36);
    await grey(path.join(root, `labels/val/${i}.png`), width, 36, 0);
  }
  for (const workers of [0, 1]) {
    const from = new Loader(await openDataset(root), 'val', { workers });
    const all = await collect(from, 0);
    assert.deepEqual(
      all.map(({ width, images }) => [width, images.length]),
      sizes.map((width) => [width, 36 * width * 3]),
    );
    await from.close();
  }
});
