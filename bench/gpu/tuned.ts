import type { Race, Tuned } from '../../src/backends/webgpu/index.js';
import type { TensorRef } from '../../src/graph/planned.js';
import { bytesOf, formatShape } from '../../src/ir/value.js';

const refsOf = (record: object) =>
  Object.values(record as Readonly<Record<string, TensorRef | undefined>>).filter((ref) => ref !== undefined);

/** Bytes of the tensors that enter and leave the calls of a race, each once; a pair is counted apart. */
const trafficOf = ({ contest: { calls } }: Race): number =>
  calls.reduce(
    (sum, { inputs, outputs }) =>
      sum + [...refsOf(inputs), ...refsOf(outputs)].reduce((all, ref) => all + bytesOf(ref), 0),
    0,
  );
const flopsOf = ({ contest: { calls } }: Race): number => calls.reduce((sum, { flops }) => sum + flops, 0);

const labelOf = ({ contest: { calls } }: Race): string =>
  calls.map(({ op, label }) => `${op} ${label}`).join(' + ');
const shapeOf = ({ contest: { calls } }: Race): string => {
  const [ref] = refsOf(calls[calls.length - 1].outputs);
  return `${formatShape(ref.shape)}${ref.dtype === 'f32' ? '' : ` ${ref.dtype}`}`;
};

/** All that was measured, as data. */
export const tuneToJson = ({ device, seconds, choices, races }: Tuned) => ({
  device,
  seconds,
  choices: choices.entries(),
  races: races.map((race) => ({
    label: labelOf(race),
    shape: shapeOf(race),
    count: race.contest.count,
    bytes: trafficOf(race),
    flops: flopsOf(race),
    chosen: race.chosen,
    entries: race.entries,
    signature: race.contest.signature,
  })),
});

/** Every candidate with its time and rates, as a Markdown table. */
export function tuneTable({ device, seconds, races }: Tuned): string {
  const rows = races.flatMap((race) => {
    const call = `${labelOf(race)} | ${shapeOf(race)} | ${race.contest.count}`;
    if (race.entries.length === 0) return [`| ${call} | ${race.chosen} | time was up | | | |`];
    return race.entries.map(({ candidate, ms, dropped, refused }) => {
      const rate = (amount: number) => (ms ? (amount / ms / 1e6).toFixed(0) : '—');
      const time = refused ?? `${(ms ?? Number.NaN).toFixed(4)}${dropped ? ' (given up)' : ''}`;
      const mark = candidate === race.chosen ? '←' : '';
      return `| ${call} | ${candidate} | ${time} | ${rate(trafficOf(race))} | ${rate(flopsOf(race))} | ${mark} |`;
    });
  });
  return [
    `### Candidates on ${device}, measured in ${seconds.toFixed(1)} s\n`,
    '| call | result | calls | candidate | ms | GB/s | GFLOP/s | chosen |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
