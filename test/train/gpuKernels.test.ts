import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Choices, signatureOf } from '../../src/backends/webgpu/choices.js';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import { Lowering } from '../../src/backends/webgpu/lowering.js';
import { compileTraining } from '../../src/compile.js';
import { MemoryFiles } from '../../src/data/storage/named.js';
import type { Call } from '../../src/graph/planned.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { FilesStore } from '../../src/train/filesStore.js';
import type { TrainPicturesOptions } from '../../src/train/pictures.js';
import { trainPictures } from '../../src/train/pictures.js';
import { adapters, backendOn } from '../backends/gpu.js';
import { randomPictures } from './support.js';

/** The smallest network there is. */
const network = {
  name: 'vnet',
  config: {
    alpha: 0,
    beta: 0,
    stem: 4,
    widths: [8, 16],
    pyramid: [3],
    dilations2: [[1, 1]],
    dilations3: [[1, 1]],
  },
};

for (const { name } of adapters.map(describeAdapter)) {
  test(`a run on ${name} keeps the ways of its kernels, whatever is measured while it rests`, async () => {
    const backend = await backendOn(name);
    const { able } = backend.lowering;
    const plan = compileTraining(networkFromConfig(network.name, { ...network.config, classes: 2 }), {
      ...{ batch: 2, height: 32, width: 40 },
      scratchBytes: backend.scratchBytes,
    });
    const namesOf = (call: Call) => everyWay.of(call, able).map((candidate) => candidate.name);
    const gradients = plan.calls.filter(({ op }) => op === 'conv2dGradWeight');
    const several = gradients.filter((call) => namesOf(call).length > 1);
    assert.ok(several.length > 0, 'some calls have candidates');
    // As if somebody had measured that one of the candidates of every weight gradient is the fastest.
    const backendWith = (at: number) => {
      const choices = new Choices(several.map((call) => [signatureOf(call), namesOf(call).at(at)!]));
      return { ...backend, scratchBytes: new Lowering(able, choices, everyWay).rule };
    };
    const options = (device: TrainPicturesOptions['device'], store: FilesStore): TrainPicturesOptions => ({
      ...{ device, store, network, epochs: 2, batch: 2, learningRate: 5e-3 },
      train: randomPictures(4, 3),
      classes: { names: ['dark', 'bright'], colours: [] },
    });
    const store = () => new FilesStore(new MemoryFiles());
    const [second, last] = [backendWith(1), backendWith(-1)];
    const whole = store();
    await trainPictures(options(second, whole));
    const expected = (await whole.readLast())!;
    const kept = new Map(expected.kernels);
    for (const call of several) assert.equal(kept.get(signatureOf(call)), namesOf(call)[1]);

    const half = store();
    const stop = new AbortController();
    const stopped = await trainPictures({
      ...options(second, half),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.step === 2) stop.abort();
      },
    });
    assert.ok(stopped.interrupted);
    const notices: string[] = [];
    await trainPictures({
      ...options(last, half),
      resume: true,
      onEvent: (event) => {
        if (event.type === 'notice') notices.push(event.message);
      },
    });
    assert.deepEqual(notices, [
      'memory: its kernels go as they went before, not as what was measured here since says',
    ]);
    const resumed = (await half.readLast())!;
    assert.deepEqual(resumed.weights, expected.weights);
    assert.deepEqual(resumed.kernels, expected.kernels);
    backend.dispose();
  });
}
