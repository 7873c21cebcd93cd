/** The package as it is installed: packed by npm, unpacked, beside nothing but the packages that it declares. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const exec = promisify(execFile);

export interface Packed {
  /** The folder of the installed package. */
  readonly installed: string;
  /** What the packed file holds. */
  readonly files: readonly string[];
}

/**
 * Makes a folder an empty project with the packed package in its `node_modules`. With VNET_TEST_REGISTRY=1 npm itself installs
 * it, with everything from the registry.
 */
export async function installPacked(folder: string): Promise<Packed> {
  const installed = path.join(folder, 'node_modules/vnet-segmentation');
  mkdirSync(folder, { recursive: true });
  const { stdout } = await exec(npm, ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
    maxBuffer: 2 ** 26,
  });
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  const files = packed.files.map((file) => file.path);
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module", "private": true }');
  if (process.env.VNET_TEST_REGISTRY) {
    await exec(npm, ['install', '--no-audit', '--no-fund', packed.filename], { cwd: folder });
    return { installed, files };
  }
  mkdirSync(installed, { recursive: true });
  await exec('tar', ['-xzf', path.join(folder, packed.filename), '-C', installed, '--strip-components=1']);
  const { dependencies } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  assert.ok(Object.keys(dependencies).length > 0);
  for (const name of Object.keys(dependencies)) {
    const link = path.join(folder, 'node_modules', name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(path.join(root, 'node_modules', name), link, 'junction');
  }
  return { installed, files };
}
