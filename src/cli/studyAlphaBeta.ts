import { Command, InvalidArgumentError, Option } from 'commander';
import type { VariantFlags } from './studyVariants.js';
import { runVariants, withVariantOptions, writeVariants } from './studyVariants.js';

interface Flags extends VariantFlags {
  readonly alphas: readonly number[];
  readonly betas: readonly number[];
}

/** `0,1,2` as numbers of V modules. */
function counts(text: string): number[] {
  const list = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (list.every((n) => Number.isInteger(n) && n >= 0 && n <= 64)) return list;
  throw new InvalidArgumentError('Expected whole numbers from 0 to 64 with commas between, such as 1,2,4.');
}

export const alphaBetaCommand = (): Command =>
  withVariantOptions(
    new Command('alpha-beta')
      .summary('parameters, memory, time and mIoU over the numbers of V modules')
      .description(
        'A table over α and β, the V modules of stages 2 and 3: parameters, memory and time of a training step and of ' +
          'inference, and with --data the mIoU after equal iterations. Writes alpha-beta.md, alpha-beta.json and ' +
          'alpha-beta.svg. The same command goes on where it was stopped.',
      )
      .addOption(
        new Option('--alphas <list>', 'V modules of stage 2').argParser(counts).default([1, 2], '1,2'),
      )
      .addOption(
        new Option('--betas <list>', 'V modules of stage 3').argParser(counts).default([1, 2, 4], '1,2,4'),
      ),
    '\nExamples:\n' +
      '  vnet study alpha-beta --out runs/depth --alphas 0,1,2,4 --betas 1,2,4,8\n' +
      '  vnet study alpha-beta --out runs/depth --data datasets/camvid --iterations 2000 --lr 0.002',
  ).action(async (flags: Flags) => {
    const variants = flags.alphas.flatMap((alpha) =>
      flags.betas.map((beta) => ({
        name: `alpha ${alpha}, beta ${beta}`,
        network: { alpha, beta },
        policy: 'reversible' as const,
      })),
    );
    const results = await runVariants('alpha-beta', variants, flags);
    await writeVariants('alpha-beta', 'V modules of stages 2 (α) and 3 (β)', results, flags);
  });
