/**
 * `npm run test:deploy`: what deploy/ describes, started as processes of this machine where no container engine and no
 * cluster is at hand: programs, arguments, variables, volumes, probes and grace periods are read from the files. Names
 * of services become this machine, ports free ones; images, limits and security contexts have no meaning here.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { encodeRgbPng } from '../../src/data/image.js';
import { renderScene, writeSynthetic } from '../../src/data/synth.js';
import { hasS3 } from '../../test/data/s3.js';
import { byCompose } from './compose.js';
import { byKubernetes, trainByKubernetes } from './kubernetes.js';
import { Processes } from './processes.js';

new Command('test:deploy')
  .description('Starts what deploy/ describes as processes: a training by Compose, a batch by Kubernetes.')
  .addHelpText('after', '\nExample:\n  npm run test:deploy')
  .parse();
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-deploy-'));
const at = (...parts: string[]) => path.join(folder, ...parts);
const processes = new Processes();
/** As many as five jobs, for which the scaler wants two workers. */
const frames = 40;

try {
  await writeSynthetic({ out: at('data'), count: 24, height: 48, width: 64, valFraction: 0.2, seed: 3 });
  for (const name of ['frames', 'runs']) mkdirSync(at(name));
  for (let i = 0; i < frames; i++)
    writeFileSync(at('frames', `p${i}.png`), await encodeRgbPng(renderScene(9, i, 64, 96).image));
  console.log(await byCompose(at, processes));
  console.log(await trainByKubernetes(at, processes));
  assert.ok(hasS3, "no moto for the batch: pip install 'moto[server]'");
  console.log(await byKubernetes(at, processes));
} finally {
  processes.end();
  rmSync(folder, { recursive: true, force: true });
}
