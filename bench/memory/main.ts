/**
 * What a real training step takes, against its plan: `npm run bench:memory -- [--batch 4] [--size 1024x2048]`.
 * Exits 1 where the whole process takes over 250 MB more than the plan.
 */
import { Command } from 'commander';
import { type PixelSize, sizeOption, whole } from '../../src/cli/options.js';
import { footprint } from './measure.js';

const { batch, size } = new Command('bench:memory')
  .description(
    'What a real training step takes, against its plan. Exit code 1 where the process takes over 250 MB more.',
  )
  .option('--batch <n>', 'images a step', whole(1, 4096), 4)
  .addOption(sizeOption())
  .addHelpText('after', '\nExample:\n  npm run bench:memory -- --batch 2 --size 512x1024')
  .parse()
  .opts<{ batch: number; size: PixelSize }>();
const { height, width } = size;
const { planBytes, peakBytes } = await footprint(batch, height, width);
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
process.stdout.write(
  `${batch} × ${height}×${width}: plan ${megabytes(planBytes)} MB, peak of the process ${megabytes(peakBytes)} MB, ` +
    `${megabytes(peakBytes - planBytes)} MB more than the plan\n`,
);
process.exitCode = peakBytes - planBytes <= 250e6 ? 0 : 1;
