import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import type { Dataset, Sample } from '../../src/data/dataset.js';
import { holdOutSchema, partsOf, withHeldOut } from '../../src/data/holdOut.js';
import { camvidClasses } from '../../src/data/layouts/camvid.js';
import { rejects } from './helpers.js';

const splits = { train: 'train', val: 'val' };

/** A data set by the names of its images alone. */
function named(names: Record<string, string[]>): Dataset {
  const sample = (id: string): Sample => ({ id, image: `${id}.png`, labels: `${id}.png`, encoding: 'raw' });
  return {
    name: 'folder',
    root: 'some/folder',
    classes: camvidClasses,
    splits: Object.keys(names),
    samples: (split) => names[split].map(sample),
    labelsOf: (split) => split,
    hasLabels: async () => true,
  };
}

const camvid = named({ train: ['d1_2', 'd1_1', 'd2_1', 'd3_9'], val: ['d2_7', 'd2_3'], test: ['d1_5'] });
const ids = (dataset: Dataset, split: string) => dataset.samples(split).map(({ id }) => id);

test('what matches is validated on, all else trained on, whatever split it was in; the test split stays out', () => {
  const view = withHeldOut(camvid, splits, '^d2');
  assert.deepEqual(ids(view, 'val'), ['d2_1', 'd2_3', 'd2_7']);
  assert.deepEqual(ids(view, 'train'), ['d1_1', 'd1_2', 'd3_9']);
  assert.deepEqual(view.splits, ['train', 'val']);
  assert.throws(() => view.samples('test'), /no split 'test'/);
});

test('parts cover every image once, and each holds out itself', () => {
  for (const by of [{ group: '^[^_]+' }, { group: 'd(\\d)' }, { folds: 3 }, { folds: 4 }]) {
    const parts = partsOf(camvid, splits, by);
    const held = parts.flatMap(({ holdOut, images }) => {
      const view = withHeldOut(camvid, splits, holdOut);
      assert.equal(view.samples('val').length, images);
      assert.equal(view.samples('train').length + images, 6);
      return ids(view, 'val');
    });
    assert.deepEqual(held.sort(), ['d1_1', 'd1_2', 'd2_1', 'd2_3', 'd2_7', 'd3_9']);
  }
  const names = (group: string) => partsOf(camvid, splits, { group }).map(({ name }) => name);
  assert.deepEqual(names('^[^_]+'), ['d1', 'd2', 'd3']);
  assert.deepEqual(names('d(\\d)'), ['1', '2', '3']);
});

test('a data set without validation split has parts too', () => {
  const small = named({ train: ['a', 'b', 'c', 'd', 'e'] });
  const sizes = partsOf(small, splits, { folds: 2 }).map(({ images }) => images);
  assert.deepEqual(sizes.sort(), [2, 3]);
  assert.deepEqual(ids(withHeldOut(small, splits, { folds: 5, fold: 1 }), 'val'), ['b']);
});

test('groups that are none, folds that are too many and expressions that are wrong are refused', async () => {
  await rejects(() => partsOf(camvid, splits, { group: 'x+' }), 'not in the name d1_1');
  await rejects(() => partsOf(camvid, splits, { group: '^d' }), 'is d for all images');
  await rejects(() => partsOf(camvid, splits, { folds: 7 }), 'has 6 images, too few for 7 folds');
  await rejects(() => withHeldOut(camvid, splits, 'zzz'), '/zzz/ holds out 0 of 6', 'd1_1');
  await rejects(() => withHeldOut(camvid, splits, '^d'), 'holds out 6 of 6');
  for (const wrong of ['(', { group: '[', is: 'a' }, { folds: 3, fold: 3 }, { folds: 1, fold: 0 }]) {
    assert.equal(v.safeParse(holdOutSchema, wrong).success, false, JSON.stringify(wrong));
  }
});
