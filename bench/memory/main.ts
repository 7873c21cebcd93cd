/**
 * What a real training step takes, against its plan: `npm run bench:memory -- [--batch 4] [--size 1024x2048]`.
 * Exits 1 where the whole process takes over 250 MB more than the plan.
 */
import { parseArgs } from 'node:util';
import { footprint } from './measure.js';

const { values: flags } = parseArgs({
  options: {
    batch: { type: 'string', default: '4' },
    size: { type: 'string', default: '1024x2048' },
  },
});
const [height, width] = flags.size.split('x').map(Number);
const { planBytes, peakBytes } = await footprint(Number(flags.batch), height, width);
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
process.stdout.write(
  `${flags.batch} × ${height}×${width}: plan ${megabytes(planBytes)} MB, peak of the process ${megabytes(peakBytes)} MB, ` +
    `${megabytes(peakBytes - planBytes)} MB more than the plan\n`,
);
process.exitCode = peakBytes - planBytes <= 250e6 ? 0 : 1;
