import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dawnGpus } from '../../src/backends/webgpu/dawn.js';
import { Choices, describeAdapter, tune } from '../../src/backends/webgpu/index.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import type { Candidate } from '../../src/backends/webgpu/kernels/kernel.js';
import { leastCapabilities } from '../../src/backends/webgpu/kernels/kernel.js';
import type { Ways } from '../../src/backends/webgpu/lowering.js';
import { Lowering } from '../../src/backends/webgpu/lowering.js';
import { compileInference } from '../../src/compile.js';
import type { Call, ScratchRule } from '../../src/graph/planned.js';
import { vnet } from '../../src/nets/vnet.js';
import { adapters } from './gpu.js';

const net = vnet({ classes: 5, alpha: 0, beta: 0 });
const planOf = (scratchBytes: ScratchRule) =>
  compileInference(net, { batch: 1, height: 64, width: 96, scratchBytes });

const first = (call: Call): Candidate => everyWay.of(call, leastCapabilities)[0];

/** The stem's convolutions as they are, and in worse ways; two of them may run as one that leaves out the first. */
const ways: Ways = {
  of(call) {
    const normal = first(call);
    if (call.op !== 'conv2d' || !/^stem\.conv[12]/.test(call.label)) return [normal];
    return [
      { ...normal, name: 'five times', lower: () => Array(5).fill(normal.lower()).flat() },
      {
        ...normal,
        name: 'broken',
        lower: () => normal.lower().map((d) => ({ ...d, code: `${d.code}\nfn no(` })),
      },
      { ...normal, name: 'once' },
      { ...normal, name: 'with scratch', scratch: 1000 },
    ];
  },
  ofPair: (call, second) =>
    call.label.startsWith('stem.conv1')
      ? [{ name: 'half the work', lower: () => first(second).lower() }]
      : [],
};

for (const { name } of adapters.map(describeAdapter)) {
  const adapter = async () =>
    (await dawnGpus.adapters()).find((adapter) => describeAdapter(adapter).name === name)!;
  const plans = (rule: ScratchRule) => [planOf(rule), planOf(rule)];

  test(`tuned on ${name}: the fastest is taken, a refused one survived`, async () => {
    const told: string[] = [];
    const { races, choices, device } = await tune({
      ...{ adapter, ways, plans },
      seconds: 20,
      onProgress: (done, total, call) => told.push(`${done}/${total} ${call}`),
    });
    assert.equal(device, name);
    assert.equal(told.length, 3);
    assert.ok(told[2].startsWith('2/3 conv2d stem.conv1.conv2d + '), 'pairs come last');
    for (const { contest, entries, chosen } of races) {
      const pair = contest.calls.length === 2;
      assert.equal(contest.count, 2);
      assert.deepEqual(
        entries.map(({ candidate }) => candidate),
        pair ? ['apart', 'half the work'] : ['five times', 'broken', 'once', 'with scratch'],
      );
      const able = entries.filter(({ refused, dropped }) => !refused && !dropped);
      const score = ({ candidate, ms }: (typeof able)[number]) => ms! * (candidate === 'apart' ? 0.97 : 1);
      const best = able.reduce((a, b) => (score(b) < score(a) ? b : a));
      assert.equal(chosen, best.candidate);
      assert.equal(choices.of(contest.signature), chosen);
      for (const { ms, range, candidate } of able) {
        assert.ok(ms! > 0 && range![0] <= ms! && ms! <= range![1], `${candidate}: ${ms} ms, ${range}`);
      }
      if (!pair) {
        assert.notEqual(chosen, 'five times');
        assert.match(entries[1].refused!, /^webgpu: .+ refuses conv2d stem[^\n]+$/);
      }
    }
    // The next plan takes them.
    const { calls } = planOf(new Lowering(leastCapabilities, choices, ways).rule);
    for (const { contest, chosen } of races) {
      const call = calls.find(
        ({ op, label }) => op === 'conv2d' && label === contest.calls[contest.calls.length - 1].label,
      )!;
      if (call.joined === 'previous') assert.equal(call.algorithm, 'half the work');
      else if (contest.calls.length === 1 && !call.joined) assert.equal(call.algorithm, chosen);
    }
  });

  test(`no time to tune on ${name}: defaults stay`, async () => {
    const { races, choices } = await tune({ adapter, ways, plans, seconds: 0 });
    assert.deepEqual(
      races.map(({ entries, chosen }) => [entries.length, chosen]),
      [
        [0, 'five times'],
        [0, 'five times'],
        [0, 'apart'],
      ],
    );
    assert.deepEqual(choices.entries(), new Choices().entries());
  });
}
