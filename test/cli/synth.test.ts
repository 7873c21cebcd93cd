import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { temporaryFolder, vnet } from './vnet.js';

const folder = temporaryFolder();

/** Hash of every file of a folder, by path below it. */
function contents(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    files
      .filter((name) => statSync(path.join(root, name)).isFile())
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(path.join(root, name)))
          .digest('hex'),
      ]),
  );
}

test('synth: the same seed gives the same files, another seed others; a second run draws nothing', async () => {
  const draw = (name: string, seed: number) =>
    vnet(`synth --out ${path.join(folder, name)} --count 3 --size 48x96 --seed ${seed} --json`.split(' '));
  const [a, b, c] = [await draw('a', 7), await draw('b', 7), await draw('c', 8)];
  assert.deepEqual([a.code, b.code, c.code], [0, 0, 0]);
  assert.equal(JSON.parse(a.stdout).drawn, 3);
  const [filesA, filesB, filesC] = ['a', 'b', 'c'].map((name) => contents(path.join(folder, name)));
  assert.deepEqual(filesA, filesB);
  assert.deepEqual(Object.keys(filesA), Object.keys(filesC));
  const images = Object.keys(filesA).filter((name) => name.endsWith('_leftImg8bit.png'));
  assert.equal(images.length, 3);
  for (const name of images) assert.notEqual(filesA[name], filesC[name]);
  assert.equal(JSON.parse((await draw('a', 7)).stdout).drawn, 0);
  const other = await draw('a', 8);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /other settings/);
  assert.deepEqual(contents(path.join(folder, 'a')), filesA, 'nothing was overwritten');
});
