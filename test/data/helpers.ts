import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { UserError } from '../../src/errors.js';

const made: string[] = [];
process.on('exit', () => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** A folder that is deleted when the test process ends. */
export function temporary(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'vnet-data-'));
  made.push(dir);
  return dir;
}

const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** A real data set beside the repository, and the reason to skip a test where it is absent. */
export function shared(name: string): { dir: string; skip: string | false } {
  const dir = path.join(repository, '..', 'shared', 'data', name);
  return {
    dir,
    skip: existsSync(dir) ? false : `needs ../shared/data/${name}, which is not on this machine`,
  };
}

/** Writes an 8-bit grey PNG whose pixels are `value`, or `value(x, y)`. */
export async function grey(
  file: string,
  width: number,
  height: number,
  value: number | ((x: number, y: number) => number),
): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  const data = Buffer.from(
    Array.from({ length: width * height }, (_, i) =>
      typeof value === 'number' ? value : value(i % width, Math.floor(i / width)),
    ),
  );
  await sharp(data, { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toFile(file);
}

/** Writes an RGB image (by the ending of its name) of one colour. */
export async function colour(
  file: string,
  width: number,
  height: number,
  rgb = [90, 120, 30],
): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  const [r, g, b] = rgb;
  await sharp({ create: { width, height, channels: 3, background: { r, g, b } } }).toFile(file);
}

/** Checks that the call throws a one-line UserError whose message matches every pattern. */
export async function rejects(call: () => unknown, ...patterns: (RegExp | string)[]): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof UserError, `expected a UserError, got ${error}`);
  assert.ok(!error.message.includes('\n'), `more than one line: ${error.message}`);
  for (const pattern of patterns) {
    if (typeof pattern === 'string')
      assert.ok(error.message.includes(pattern), `'${pattern}' not in: ${error.message}`);
    else assert.match(error.message, pattern);
  }
}
