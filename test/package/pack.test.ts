import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { writeRgbPng } from '../../src/data/image.js';
import { predict, readLabels, renderScene, shippedModel } from '../../src/index.js';
import { installPacked } from './packed.js';
import { typeErrors } from './types.js';

/** The package as it is installed, in Node: what it holds, its types, its program. */
const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-package-'));
const installed = path.join(folder, 'node_modules/vnet-segmentation');
const exec = promisify(execFile);

interface Run {
  readonly code: number;
  readonly output: string;
}
/** Runs a program in the folder. */
const run = (program: string, ...args: string[]): Promise<Run> =>
  exec(program, args, { cwd: folder, maxBuffer: 2 ** 26 }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      output: error.stdout + error.stderr,
    }),
  );
const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);

let files: readonly string[] = [];

before(async () => {
  ({ files } = await installPacked(folder));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('the packed file holds what is needed, and nothing that is not', () => {
  const models = [
    'models/README.md',
    'models/vnet-camvid.safetensors',
    'models/vnet-camvid-tiny.safetensors',
  ];
  const needed = ['LICENSE', 'README.md', 'bin/vnet.js', 'package.json', ...models];
  const builds = ['build/wasm/plain.wasm', 'build/wasm/relaxed.wasm'];
  for (const file of [...needed, ...builds]) assert.ok(files.includes(file), `${file} is not packed`);
  const sources = files.filter((file) => /^build\/src\/.*\.js$/.test(file));
  assert.ok(sources.length > 200, `only ${sources.length} modules`);
  for (const file of files) {
    assert.match(file, /^(bin|build\/(assets|site|src|wasm)|models)\/|^(LICENSE|README\.md|package\.json)$/);
  }
});

test('every source map carries its sources', () => {
  const maps = files.filter((file) => file.endsWith('.map'));
  for (const file of maps) {
    const map = JSON.parse(readFileSync(path.join(installed, file), 'utf8')) as {
      sources: string[];
      sourcesContent?: (string | null)[];
    };
    assert.equal(map.sourcesContent?.length, map.sources.length, file);
    assert.ok(
      map.sourcesContent?.every((text) => typeof text === 'string'),
      file,
    );
  }
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const at = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(path.join(installed, file), 'utf8'))?.[1];
    if (at)
      assert.ok(maps.includes(path.posix.join(path.posix.dirname(file), at)), `${file}: ${at} is missing`);
  }
});

test('types compile in an empty project, strict, every declaration of the package checked', async (t) => {
  write(
    'index.ts',
    `import { compile, loadModel, predictLabels, vnet, type Executor, type Plan } from 'vnet-segmentation';
export const net = vnet({ classes: 19 });
export const start = (): Promise<Executor> => compile(net, { mode: 'infer', batch: 1, height: 64, width: 64 });
export const calls = (plan: Plan): number => plan.calls.length;
// @ts-expect-error -- sizes are numbers
export const wrong = () => compile(net, { mode: 'infer', batch: 1, height: '64', width: 64 });
export { loadModel, predictLabels };
`,
  );
  const { ModuleKind, ModuleResolutionKind } = ts;
  for (const [name, module, moduleResolution] of [
    ['node16', ModuleKind.Node16, ModuleResolutionKind.Node16],
    ['nodenext', ModuleKind.NodeNext, ModuleResolutionKind.NodeNext],
    ['bundler', ModuleKind.ESNext, ModuleResolutionKind.Bundler],
  ] as const) {
    await t.test(name, () => {
      assert.deepEqual(typeErrors(folder, 'index.ts', { module, moduleResolution }), []);
    });
  }
  await t.test('CommonJS is told what to do', () => {
    const use = "import { vnet } from 'vnet-segmentation';\nvnet({ classes: 2 });\n";
    write('old.cts', use);
    const required = typeErrors(folder, 'old.cts', { module: ModuleKind.Node16 });
    assert.match(required.join('\n'), /ECMAScript module.*dynamic 'import\(/s);
    write('old.ts', use);
    const classic = typeErrors(folder, 'old.ts', {
      module: ModuleKind.CommonJS,
      moduleResolution: ModuleResolutionKind.Node10,
    });
    assert.match(classic.join('\n'), /updating to 'node16', 'nodenext', or 'bundler'/);
  });
});

test('it segments a picture, as a library and as a command', async () => {
  // Optional, so that types had to compile without it; npm installs it unless told not to.
  const sharp = path.join(folder, 'node_modules/sharp');
  if (!existsSync(sharp)) symlinkSync(path.join(root, 'node_modules/sharp'), sharp, 'junction');
  const { image } = renderScene(5, 0, 96, 128);
  const expected = await predict(shippedModel, image, { device: 'wasm' });
  await writeRgbPng(path.join(folder, 'scene.png'), image);
  write(
    'use.js',
    `import { predict, shippedModel } from 'vnet-segmentation';
const { width, height, data } = await predict(shippedModel, 'scene.png', { device: 'wasm' });
console.log(JSON.stringify({ width, height, data: [...data] }));
`,
  );
  const library = await run(process.execPath, 'use.js');
  assert.equal(library.code, 0, library.output);
  assert.deepEqual(JSON.parse(library.output), { ...expected, data: [...expected.data] });

  const vnet = path.join(installed, 'bin/vnet.js');
  const command = await run(process.execPath, vnet, 'predict', 'scene.png', '--device', 'wasm', '--json');
  assert.equal(command.code, 0, command.output);
  const labels = await readLabels(path.join(folder, 'predictions/scene_labels.png'));
  assert.deepEqual([...labels.data], [...expected.data]);
});
