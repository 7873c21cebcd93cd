import { Command } from 'commander';
import { policies } from '../graph/differentiate.js';
import type { VariantFlags } from './studyVariants.js';
import { runVariants, withVariantOptions, writeVariants } from './studyVariants.js';

export const policyCommand = (): Command =>
  withVariantOptions(
    new Command('policy')
      .summary('what the reversible V modules buy: memory and time at equal iterations')
      .description(
        'Trains the same network with its V modules reversible, checkpointed, and with everything kept: memory and ' +
          'time of a step, and with --data loss and mIoU after equal iterations, which agree to rounding. Writes ' +
          'policy.md, policy.json and policy.svg. The same command goes on where it was stopped.',
      ),
    '\nExamples:\n' +
      '  vnet study policy --out runs/policy --size 1024x2048\n' +
      '  vnet study policy --out runs/policy --data datasets/camvid --iterations 2000',
  ).action(async (flags: VariantFlags) => {
    const variants = policies.map((policy) => ({ name: policy, network: { alpha: 1, beta: 2 }, policy }));
    const results = await runVariants('policy', variants, flags);
    await writeVariants('policy', 'What the backward pass recomputes', results, flags);
  });
