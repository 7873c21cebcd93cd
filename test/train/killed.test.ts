import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Rng } from '../../src/data/rng.js';
import { loadModel } from '../../src/model/load.js';
import { readTraining, runFiles } from '../../src/train/checkpoint.js';
import { readMetrics } from '../../src/train/metrics.js';
import { writeDataset } from './support.js';

/** `KILLS=20` is the full test. */
const kills = Number(process.env.KILLS ?? 5);
const seed = Number(process.env.SEED ?? Date.now() % 100000);
const child = fileURLToPath(new URL('./killed-child.js', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-killed-'));
after(() => rmSync(folder, { recursive: true }));

function start(out: string): ChildProcess {
  // Killed before it had made its folder, a run is simply started again.
  const mode = existsSync(runFiles(out).config) ? 'resume' : 'new';
  const args = [child, path.join(folder, 'data'), out, mode];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function finish(out: string): Promise<void> {
  const [code] = await once(start(out), 'exit');
  assert.equal(code, 0, `seed ${seed}: the run failed`);
}

async function stateOf(out: string) {
  const { weights, average, optimizer, progress } = await readTraining(runFiles(out).last);
  const { metricsBytes, ...rest } = progress;
  assert.ok(metricsBytes > 0);
  return { weights, average, optimizer, progress: rest };
}

test(`a process killed at ${kills} random moments and resumed ends in the same weights, bit for bit`, async () => {
  await writeDataset(path.join(folder, 'data'), { train: 6, val: 1 });
  const whole = path.join(folder, 'whole');
  await finish(whole);
  const expected = await stateOf(whole);
  const rng = Rng.of(seed);
  let left = kills;
  let killed = 0;
  for (let run = 0; left > 0; run++) {
    const out = path.join(folder, `run${run}`);
    // A few kills each, so that every run is killed early, late, and while going on from an earlier kill.
    for (let i = 0; i < 4 && left > 0; i++, left--) {
      const process = start(out);
      const exit = once(process, 'exit');
      await Promise.race([once(process.stdout!, 'data'), exit]);
      await wait(rng.range(0, 400));
      process.kill('SIGKILL');
      const [, signal] = await exit;
      if (signal === 'SIGKILL') killed++;
    }
    await finish(out);
    assert.deepEqual(await stateOf(out), expected, `seed ${seed}, run ${run}`);
    const steps = (await readMetrics(runFiles(out).metrics)).map(({ type, step }) => `${type} ${step}`);
    assert.equal(new Set(steps).size, steps.length, `seed ${seed}, run ${run}: ${steps.join(', ')}`);
    const best = await loadModel(runFiles(out).best);
    assert.deepEqual(best.weights, (await loadModel(runFiles(whole).best)).weights);
    assert.deepEqual(
      readdirSync(out).filter((name) => name.includes('last.safetensors') && name.endsWith('.tmp')),
      [],
    );
  }
  assert.ok(killed > kills / 2, `seed ${seed}: only ${killed} of ${kills} processes were still running`);
});
