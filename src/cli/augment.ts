import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Augmentation, augmentationPresets } from '../data/augment/augmentation.js';
import { real } from './options.js';

/** Flags of random changes; those that were not given are absent, but for `flip`, which commander sets. */
export interface AugmentFlags extends Partial<Record<Amount, number>> {
  readonly augment?: keyof typeof augmentationPresets;
  readonly flip?: boolean;
  readonly scale?: [number, number];
}

type Amount = (typeof amounts)[number][0];

/** Name, what it does, and its largest value. */
const amounts = [
  ['rotate', 'degrees', 'random rotation by up to this, such as 5', 45],
  ['perspective', 'share', 'random tilt: corners move by up to this share of the sides, such as 0.05', 0.25],
  ['rareCrops', 'share', 'of samples, placed around a class drawn evenly from those in the image', 1],
  ['classMix', 'share', 'of samples that get half of the classes of another laid over', 1],
  ['cutMix', 'share', 'of samples that get a rectangle of another laid over', 1],
  ['copyPaste', 'share', "of samples that get another's small things laid over", 1],
  ['jitter', 'amount', 'random brightness, contrast, saturation, such as 0.4', 1],
  ['gamma', 'amount', 'random exposure: v^γ, γ from 1/(1 + amount) to 1 + amount, such as 0.7', 4],
  ['balance', 'amount', 'random colour of light: gain of red and blue, such as 0.2', 1],
  ['shadow', 'share', 'of samples with shadows across the picture', 1],
  ['weather', 'share', 'of samples with fog, rain or a low sun', 1],
  ['blur', 'pixels', 'half of the samples blurred, σ up to this, such as 1.2', 8],
  ['noise', 'levels', 'half of the samples noisy, σ up to this of 255, such as 10', 64],
  ['jpeg', 'share', 'of samples compressed as JPEG of quality 20 to 90', 1],
] as const;

/** Adds the options of random changes. */
export function addAugmentOptions(command: Command): Command {
  command
    .addOption(
      new Option(
        '--augment <preset>',
        'many random changes by one name; single ones win, such as --augment strong --rotate 0',
      ).choices(Object.keys(augmentationPresets)),
    )
    .option('--no-flip', 'do not mirror half of the images')
    .option('--scale <low,high>', 'random zoom, such as 0.75,1.75', range);
  for (const [name, unit, what, most] of amounts) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    command.option(`--${flag} <${unit}>`, what, real(0, most));
  }
  return command;
}

/** The changes that flags ask for: those of the preset, then single ones. @param flipGiven whether `--no-flip` was. */
export function augmentOf(flags: AugmentFlags, flipGiven: boolean): Augmentation {
  const { scale, flip } = flags;
  return {
    ...(flags.augment ? augmentationPresets[flags.augment] : {}),
    ...(flipGiven ? { flip } : {}),
    ...(scale ? { scale } : {}),
    ...Object.fromEntries(
      amounts.map(([name]) => [name, flags[name]] as const).filter(([, value]) => value !== undefined),
    ),
  } as Augmentation;
}

function range(text: string): [number, number] {
  const parts = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parts.length !== 2 || !(parts[0] > 0 && parts[0] <= parts[1])) {
    throw new InvalidArgumentError('Expected two numbers with low ≤ high, such as 0.75,1.75.');
  }
  return [parts[0], parts[1]];
}
