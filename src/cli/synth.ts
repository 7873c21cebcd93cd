import path from 'node:path';
import { Command, Option } from 'commander';
import { type SceneLight, sceneLights } from '../data/scene/weather.js';
import { writeSynthetic } from '../data/synth.js';
import type { PixelSize } from './options.js';
import { formatSize, jsonOption, pixelSize, real, whole } from './options.js';
import { Progress } from './progress.js';

interface SynthOptions {
  readonly out: string;
  readonly count: number;
  readonly size: PixelSize;
  readonly seed: number;
  readonly light: SceneLight;
  readonly val: number;
  readonly json?: boolean;
}

export const synthCommand = (): Command =>
  new Command('synth')
    .summary('draw synthetic street scenes with labels')
    .description(
      'Draws procedural street scenes with exact labels of the 19 Cityscapes classes, in the folder layout of ' +
        'Cityscapes. The same seed gives the same bytes; an interrupted run goes on where it stopped.',
    )
    .requiredOption('--out <dir>', 'new or empty folder for the set')
    .addOption(
      new Option('--count <n>', 'scenes, training and validation together')
        .argParser(whole(1, 1_000_000))
        .default(32),
    )
    .addOption(
      new Option('--size <HxW>', 'pixels of a scene')
        .argParser(pixelSize)
        .default({ height: 256, width: 512 }, '256x512'),
    )
    .addOption(new Option('--seed <n>', 'which set').argParser(whole(0)).default(1))
    .addOption(
      new Option('--light <when>', 'day, dusk, or any: half of each').choices(sceneLights).default('day'),
    )
    .addOption(
      new Option('--val <share>', 'share of the scenes that goes to the split val')
        .argParser(real(0, 0.9))
        .default(0.2),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  vnet synth --out scenes --count 100 --size 512x1024 --seed 7 --light any',
    )
    .action(async ({ out, count, size, seed, light, val, json }: SynthOptions) => {
      const progress = new Progress('scenes', count);
      let drawn: number;
      try {
        drawn = await writeSynthetic({
          out,
          count,
          ...size,
          seed,
          light,
          valFraction: val,
          onProgress: (done) => progress.update(done),
        });
      } finally {
        progress.stop();
      }
      if (json) {
        process.stdout.write(
          `${JSON.stringify({ out: path.resolve(out), count, drawn, ...size, seed, light })}\n`,
        );
        return;
      }
      const rest = drawn < count ? ` (${count - drawn} were there already)` : '';
      process.stdout.write(`${drawn} scenes of ${formatSize(size)} drawn${rest}: ${out}\n`);
    });
