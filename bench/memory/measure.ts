import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeSynthetic } from '../../src/data/synth.js';

export interface Footprint {
  /** The plan's arena. */
  readonly planBytes: number;
  /** Highest resident memory of the process. */
  readonly peakBytes: number;
  /** Of it, mapped files: Node and its libraries, where that is known. */
  readonly programBytes: number;
  readonly steps: number;
}

/** Trains two steps with default options on synthetic scenes, in a process of its own. */
export async function footprint(batch: number, height: number, width: number): Promise<Footprint> {
  const folder = await mkdtemp(path.join(tmpdir(), 'vnet-memory-'));
  try {
    const data = path.join(folder, 'data');
    await writeSynthetic({ out: data, count: 2 * batch, height, width, seed: 1, valFraction: 0 });
    const program = fileURLToPath(new URL('./step.js', import.meta.url));
    const args = [program, data, path.join(folder, 'run'), String(batch)];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      // What a user's process takes, not one that checks its plans.
      env: { ...process.env, VNET_VERIFY: '' },
    });
    return JSON.parse(stdout) as Footprint;
  } finally {
    await rm(folder, { recursive: true });
  }
}
