import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Running } from '../../test/cli/vnet.js';
import { start, vnet } from '../../test/cli/vnet.js';
import { assertSameTraining } from '../../test/queue/same.js';

/** What the containers' image starts. */
export const program = ['node', 'node_modules/vnet-segmentation/bin/vnet.js'];

export const bin = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));

/** A file below deploy/. */
export const readDeploy = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url)), 'utf8');

/** Trains by the same recipe in one process: the weights are those of `checkpoint`, bit for bit. */
export async function assertTrainedAs(
  checkpoint: string,
  data: string,
  out: string,
  recipe: string,
): Promise<void> {
  const flags = ['--data', data, '--out', out, ...recipe.split(' '), '--device', 'wasm'];
  const { code, stderr } = await vnet(['train', ...flags]);
  assert.equal(code, 0, stderr);
  await assertSameTraining(checkpoint, path.join(out, 'last.safetensors'));
}

/** Stand for containers; all are gone at the end. */
export class Processes {
  private readonly all: Running[] = [];

  start(args: readonly string[], env: Record<string, string> = {}): Running {
    const running = start(args, env);
    this.all.push(running);
    return running;
  }

  /** As containers are stopped: asked to, and not given longer than they may take. */
  async stop(containers: readonly Running[], graceSeconds: number): Promise<void> {
    const began = performance.now();
    for (const container of containers) container.interrupt('SIGTERM');
    for (const { ended } of containers) assert.equal((await ended).code, 0);
    assert.ok(performance.now() - began < 1000 * graceSeconds, 'stopped within the grace period');
  }

  end(): void {
    for (const running of this.all) running.interrupt('SIGKILL');
  }
}
