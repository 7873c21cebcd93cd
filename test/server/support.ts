import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import type { RgbImage } from '../../src/data/image.js';
import { encodeRgbPng } from '../../src/data/image.js';
import type { Rng } from '../../src/data/rng.js';
import { renderScene } from '../../src/data/synth.js';
import type { RunningServer } from '../../src/server/index.js';
import { startServer } from '../../src/server/index.js';
import type { Limits, ServerSettings } from '../../src/server/settings.js';
import { defaultLimits } from '../../src/server/settings.js';

/** A server in this process, stopped after the tests of the file. */
export async function serve(
  settings: Partial<Omit<ServerSettings, 'limits'>> & { limits?: Partial<Limits> } = {},
): Promise<RunningServer> {
  const { limits, ...rest } = settings;
  const server = await startServer(
    {
      host: '127.0.0.1',
      port: 0,
      backend: wasmBackend,
      threads: 2,
      cors: [],
      grace: 60,
      logLevel: 'silent',
      limits: { ...defaultLimits, memory: 512 * 2 ** 20, ...limits },
      ...rest,
    },
    'test',
  );
  after(() => server.stop());
  return server;
}

/** The mask of COCO run lengths, pycocotools' `rleFrString`: `height × width` bytes, rows first. */
export function paint(text: string, height: number, width: number): Uint8Array {
  const mask = new Uint8Array(height * width);
  const runs: number[] = [];
  let at = 0;
  for (let i = 0; i < text.length; ) {
    let value = 0;
    let shift = 0;
    let group: number;
    do {
      group = text.charCodeAt(i++) - 48;
      value |= (group & 31) << shift;
      shift += 5;
    } while (group & 32);
    if (group & 16) value |= -1 << shift;
    const run = runs.length > 2 ? value + runs[runs.length - 2] : value;
    for (let k = 0; k < run; k++, at++) {
      mask[(at % height) * width + Math.floor(at / height)] = runs.length % 2;
    }
    runs.push(run);
  }
  if (at !== mask.length) throw new Error(`${at} pixels in run lengths of ${height}×${width}`);
  return mask;
}

/** A street that is drawn, as pixels and as PNG. */
export async function street(
  height: number,
  width: number,
  seed = 1,
): Promise<{ image: RgbImage; png: Blob }> {
  const { image } = renderScene(1, seed, height, width);
  return { image, png: new Blob([(await encodeRgbPng(image, 1)) as Uint8Array<ArrayBuffer>]) };
}

/** Bytes that mean nothing. */
export const noise = (length: number, rng: Rng): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, () => rng.range(0, 256));

export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'vnet-server-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
