import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const document = readFileSync(path.join(root, 'docs/architecture.md'), 'utf8');

/** The document's floors, the highest first, each with its rooms. */
const floors = /```rooms\n(.*?)```/s
  .exec(document)![1]
  .trim()
  .split('\n')
  .map((line) => line.split(/ {2,}/, 1)[0].split(' '));
const floorOf = new Map(floors.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));

/** Files below a folder, with forward slashes. AssemblyScript has rooms of its own. */
const filesOf = (folder: string, ending: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter(
      (name) =>
        name.endsWith(ending) && !name.endsWith('.d.ts') && !name.startsWith('backends/wasm/kernels/'),
    );

const { imports: conditions } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  imports?: Record<string, Record<string, string>>;
};
const importing = /(?:\bfrom\s*|\bimport\s*\(?\s*)'([.#][^']*)'/g;

/** The files, without ending, that a file imports; `#name` stands for each of its conditions. */
function importsOf(folder: string, file: string): string[] {
  const text = readFileSync(path.join(root, folder, file), 'utf8').replace(/^\s*(\/\/|\/?\*).*$/gm, '');
  return [...text.matchAll(importing)].flatMap(([, name]) => {
    const targets = name.startsWith('#')
      ? Object.values(conditions?.[name] ?? {}).map((target) => target.replace(/^\.\/build\/src\//, ''))
      : [path.posix.join(path.posix.dirname(file), name)];
    return targets.map((target) => target.replace(/\.js$/, ''));
  });
}

/** The room of a file: the longest name of the document that its path begins with. */
function roomOf(file: string): string {
  const parts = file.replace(/\.(ts|js)$/, '').split('/');
  for (let length = parts.length; length > 0; length--) {
    const name = parts.slice(0, length).join('/');
    if (floorOf.has(name)) return name;
  }
  return assert.fail(`src/${file} is in no room of docs/architecture.md`);
}

test('no import points up, or beside itself', () => {
  const wrong = new Set<string>();
  let arrows = 0;
  for (const file of filesOf('src', '.ts')) {
    const from = roomOf(file);
    for (const target of importsOf('src', file)) {
      const to = roomOf(target);
      if (from === to) continue;
      arrows++;
      if (floorOf.get(to)! > floorOf.get(from)!) continue;
      wrong.add(`${from} → ${to} (src/${file} imports ${target})`);
    }
  }
  assert.ok(arrows > 300, `only ${arrows} imports between rooms`);
  assert.deepEqual([...wrong], []);
});

test('every room of the document exists', () => {
  const rooms = new Set(filesOf('src', '.ts').map(roomOf));
  assert.deepEqual(
    [...floorOf.keys()].filter((room) => !rooms.has(room)),
    [],
  );
});

test('modules that load each other: none', () => {
  const graph = new Map(
    filesOf('build/src', '.js').map((file) => [
      file.replace(/\.js$/, ''),
      importsOf('build/src', file).filter((target) => !target.startsWith('#')),
    ]),
  );
  const state = new Map<string, 'open' | 'done'>();
  const circles: string[] = [];
  const visit = (module: string, trail: readonly string[]): void => {
    if (state.get(module) === 'done') return;
    if (state.get(module) === 'open') {
      circles.push([...trail.slice(trail.indexOf(module)), module].join(' → '));
      return;
    }
    state.set(module, 'open');
    for (const target of graph.get(module) ?? []) visit(target, [...trail, module]);
    state.set(module, 'done');
  };
  for (const module of graph.keys()) visit(module, []);
  assert.deepEqual(circles, []);
});
