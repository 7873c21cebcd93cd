import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Need, Toucher } from '../../src/backends/wasm/needs.js';
import { NeedsFinder, neededBy, windowStages } from '../../src/backends/wasm/needs.js';
import type { Range, Touched } from '../../src/backends/wasm/stage.js';
import type { Rng } from '../../src/data/rng.js';
import { seededRandom, testSeed } from './harness.js';

const seed = testSeed(29);

/** A stage whose chunks walk over places of a small memory, so that stages meet often. */
function randomStage(rng: Rng, step: number): Toucher {
  const chunks = 1 + rng.int(6);
  const walk = (): ((chunk: number) => Range) => {
    const [start, length, pace] = [rng.int(60), 1 + rng.int(8), rng.int(5)];
    return (chunk) => [start + chunk * pace, start + chunk * pace + length];
  };
  const [reads, writes] = [Array.from({ length: rng.int(3) }, walk), [walk()]];
  const touched = Array.from(
    { length: rng.int(4) === 0 ? 1 : chunks },
    (_, chunk): Touched => ({ reads: reads.map((at) => at(chunk)), writes: writes.map((at) => at(chunk)) }),
  );
  return { step, chunks, touched };
}

const of = ({ touched }: Toucher, chunk: number) => touched[touched.length === 1 ? 0 : chunk];
const meet = (a: readonly Range[], b: readonly Range[]) =>
  a.some(([from, until]) => b.some(([first, last]) => from < last && first < until));
const conflict = (a: Touched, b: Touched) =>
  meet(a.writes, b.writes) || meet(a.reads, b.writes) || meet(a.writes, b.reads);

const isOpen = (needs: readonly Need[], chunk: number, taken: readonly number[]) =>
  needs.every((need) => taken[need.step] >= neededBy(chunk, need));

test('chunks that may start meet none of an earlier stage that is not done; few needs say so', () => {
  let [named, pairs] = [0, 0];
  for (let turn = 0; turn < 60; turn++) {
    const rng = seededRandom(seed + turn);
    const stages = Array.from({ length: 30 }, (_, step) => randomStage(rng, step));
    const finder = new NeedsFinder();
    const needs = stages.map((stage) => finder.next(stage));
    named += needs.flat().length;
    const taken = stages.map(() => 0);
    for (let first = 0; first < stages.length; ) {
      const open = stages
        .slice(first, first + windowStages)
        .filter(({ step, chunks }) => taken[step] < chunks && isOpen(needs[step], taken[step], taken));
      // The oldest stage always may go on: nobody waits for ever.
      assert.ok(open.includes(stages[first]), `seed ${seed + turn}: stage ${first}`);
      const { step } = open[rng.int(open.length)];
      const own = of(stages[step], taken[step]);
      for (const earlier of stages.slice(first, step)) {
        for (let chunk = 0; chunk < earlier.chunks; chunk++) {
          if (!conflict(own, of(earlier, chunk))) continue;
          pairs++;
          assert.ok(
            taken[earlier.step] > chunk,
            `seed ${seed + turn}: ${step} before ${earlier.step}:${chunk}`,
          );
        }
      }
      taken[step]++;
      while (first < stages.length && taken[first] === stages[first].chunks) first++;
    }
  }
  assert.ok(pairs > 2000, `${pairs} pairs met`);
  assert.ok(named < 60 * 30 * 2, `${named} needs`);
});
