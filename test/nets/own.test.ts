/** A network that the package does not know, written as docs/networks.md says, with a schema of another library. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { z } from 'zod';
import { compileInference } from '../../src/compile.js';
import type { TrainEvent } from '../../src/index.js';
import {
  defineNetwork,
  imageNorm,
  loadModel,
  networkFromConfig,
  networkNames,
  networks,
  predict,
  renderScene,
  train,
  UserError,
  vnet,
  writeSynthetic,
} from '../../src/index.js';

const options = z.strictObject({ classes: z.int().min(2), width: z.int().min(4).default(16) });

const tiny = defineNetwork('tiny', options, (b, images, { classes, width }) => {
  let x = b.conv('stem', images, { out: width, kernel: 3, stride: 2, normalize: imageNorm });
  x = b.batchNorm('stem.norm', x, { act: 'prelu' });
  const y = b.scope('block', () => {
    const wide = b.conv('conv', x, { out: width, kernel: 3, dilation: 2 });
    return b.batchNorm('norm', wide, { act: 'relu' });
  });
  return b.conv('head', b.add(x, y), { out: classes, kernel: 1, bias: true });
});

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-own-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a network of one's own trains, is saved, loaded and used", async () => {
  const data = path.join(folder, 'scenes');
  await writeSynthetic({ out: data, count: 4, height: 48, width: 64, seed: 3, valFraction: 0.25 });
  const losses: number[] = [];
  const result = await train({
    data,
    out: path.join(folder, 'run'),
    network: { name: 'tiny', config: { width: 8 } },
    networks: [tiny],
    epochs: 8,
    batch: 3,
    learningRate: 0.02,
    validateEvery: 0,
    threads: 1,
    onEvent: (event: TrainEvent) => {
      if (event.type === 'step') losses.push(event.loss);
    },
  });
  assert.ok(losses.at(-1)! < 0.8 * losses[0], losses.join(', '));
  const model = await loadModel(result.last, { networks: [tiny] });
  assert.deepEqual(model.network.config, { classes: 19, width: 8 });
  const { image } = renderScene(3, 0, 48, 64);
  const labels = await predict(model, image, { threads: 1 });
  assert.ok(new Set(labels.data).size > 1);
  await assert.rejects(
    loadModel(result.last),
    (error) => error instanceof UserError && /unknown network tiny: known are vnet, enet/.test(error.message),
  );
});

test('channels that cannot be are one line with the name of the parameter', () => {
  const size = { batch: 1, height: 64, width: 64, scratchBytes: () => 0 };
  const plan = (out: number, groups: number) => {
    const network = defineNetwork('narrow', options, (b, images, { classes }) => {
      const x = b.conv('stem', images, { out: 6, kernel: 3, stride: 2, normalize: imageNorm });
      const y = b.scope('block', () => b.conv('conv', x, { out, kernel: 3, groups }));
      return b.conv('head', y, { out: classes, kernel: 1 });
    });
    return compileInference(network({ classes: 3 }), size);
  };
  const wrong = (shape: string) => (error: unknown) =>
    error instanceof UserError &&
    error.message.startsWith(
      `block.conv.weight: expected a shape of whole numbers from 1, got ${shape}; look at`,
    );
  plan(4, 2);
  assert.throws(() => plan(0, 1), wrong('3×3×6×0'));
  assert.throws(() => plan(8, 4), wrong('3×3×1.5×8'));
});

test('options are checked when a network is made, by whatever library its schema is of', () => {
  const wrong = (message: RegExp) => (error: unknown) =>
    error instanceof UserError && message.test(error.message) && !error.message.includes('\n');
  assert.equal(tiny.name, 'tiny');
  assert.throws(() => tiny({ classes: 3, width: 1 }), wrong(/^network tiny: width: /));
  assert.throws(
    () => networkFromConfig('tiny', { classes: 3, size: 1 }, [tiny]),
    wrong(/^network tiny: .*size/),
  );
  assert.throws(() => vnet({ classes: 1 }), wrong(/^network vnet: classes: .*>=2/));
  assert.throws(() => networkFromConfig('vnet', { classes: 3, widths: [8] }), wrong(/^network vnet: widths/));
  const size = { batch: 1, height: 64, width: 64, scratchBytes: () => 0 };
  assert.throws(
    () => compileInference(vnet({ classes: 3, widths: [8, 16] }), size),
    wrong(/`widths`: .*expected more than 8, got 8/),
  );
  assert.deepEqual(
    networkNames,
    networks.map(({ name }) => name),
  );
});
