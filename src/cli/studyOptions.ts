import type { Command } from 'commander';
import { Option } from 'commander';
import type { DeviceFlags } from './device.js';
import { deviceOptions } from './device.js';
import { jsonOption, real, threadsOption, whole } from './options.js';

/** Where a study runs, and how it tells of itself. */
export function withRunOptions(command: Command): Command {
  command.addOption(threadsOption());
  for (const option of deviceOptions()) command.addOption(option);
  return command.addOption(jsonOption());
}

/** Flags of {@link withRecipeOptions}. */
export interface RecipeFlags extends DeviceFlags {
  readonly batch: number;
  readonly lr: number;
  readonly seed: number;
  readonly trainSplit: string;
  readonly valSplit: string;
  readonly threads: number;
  readonly json?: boolean;
}

/** What studies take that train several times with the same recipe. */
export const withRecipeOptions = (command: Command): Command =>
  withRunOptions(
    command
      .addOption(new Option('--batch <n>', 'images a step').argParser(whole(1, 4096)).default(4))
      .addOption(
        new Option('--lr <rate>', 'highest learning rate').argParser(real(0, 1000, true)).default(5e-4),
      )
      .addOption(new Option('--seed <n>', 'of weights and order').argParser(whole(0)).default(1))
      .option('--train-split <name>', 'trained on', 'train')
      .option('--val-split <name>', 'scored on', 'val'),
  );
