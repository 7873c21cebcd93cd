import path from 'node:path';
import * as v from 'valibot';
import { isFile, readBytes, reason } from '../data/files.js';
import type { DeviceName } from '../device.js';
import { deviceNames } from '../device.js';
import { UserError } from '../errors.js';
import { readTraining, runFiles } from '../train/checkpoint.js';
import type { TrainConfig } from '../train/config.js';
import { parseTrainConfig } from '../train/config.js';
import { type AugmentFlags, augmentOf } from './augment.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { modelFile } from './model.js';
import type { PixelSize } from './options.js';

export type Size = NonNullable<TrainConfig['size']>;

/** Flags of `vnet train`; those that were not given are absent. */
export interface TrainFlags extends DeviceFlags, PrecisionFlags, AugmentFlags {
  readonly queue?: string;
  readonly config?: string;
  readonly data?: string;
  readonly out?: string;
  readonly epochs?: number;
  readonly batch?: number;
  readonly accumulate?: number;
  readonly size?: Size;
  readonly lr?: number;
  readonly optimizer?: TrainConfig['optimizer'];
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly schedule?: 'poly' | 'cosine' | 'constant';
  readonly warmup?: number;
  readonly classWeights?: TrainConfig['classWeights'];
  readonly ohem?: number;
  readonly loss?: TrainConfig['loss'];
  readonly labelSmoothing?: number;
  readonly ema?: number;
  readonly seed?: number;
  readonly policy?: TrainConfig['policy'];
  readonly net?: string;
  readonly alpha?: number;
  readonly beta?: number;
  readonly classes?: number;
  readonly init?: string;
  readonly teacher?: readonly string[];
  readonly teacherShare?: number;
  readonly teacherScales?: readonly number[];
  readonly teacherFlip?: boolean;
  readonly trainSplit?: string;
  readonly valSplit?: string;
  readonly holdOut?: string;
  readonly valResize?: PixelSize;
  readonly extra?: boolean;
  readonly validateEvery?: number;
  readonly samples?: number;
  readonly saveEvery?: number;
  readonly logEvery?: number;
  readonly threads?: number;
  readonly workers?: number;
  readonly cache?: number;
  readonly resume?: boolean;
  readonly report: boolean;
  readonly json?: boolean;
}

/**
 * Options in order of strength: flags, then those of the file of `--config`, then those of the run that is resumed.
 * @param fromFile what {@link readConfig} gave: a pipe can be read once only.
 */
export async function resolveConfig(
  flags: TrainFlags,
  fromFile: Record<string, unknown>,
  given: (name: keyof TrainFlags) => boolean,
): Promise<{ config: TrainConfig; place: DeviceFlags }> {
  const out = flags.out ?? fromFile.out;
  if (typeof out !== 'string') throw new UserError("required option '--out <dir>' not specified", 2);
  const stored = runFiles(out).config;
  const before = flags.resume && isFile(stored) ? await readConfig(stored) : {};
  const configured = {
    ...(before.network as TrainConfig['network']),
    ...(fromFile.network as TrainConfig['network']),
  };
  // Another network does not take over what was configured for the first.
  const other = flags.net !== undefined && flags.net !== (configured.name ?? 'vnet');
  const network = other ? { name: flags.net, config: {} } : configured;
  const depth = {
    ...(flags.alpha === undefined ? {} : { alpha: flags.alpha }),
    ...(flags.beta === undefined ? {} : { beta: flags.beta }),
  };
  const augment = {
    ...(before.augment as TrainConfig['augment']),
    ...(fromFile.augment as TrainConfig['augment']),
    ...augmentOf(flags, given('flip')),
  };
  const direct = {
    data: flags.data,
    out,
    resume: flags.resume,
    epochs: flags.epochs,
    batch: flags.batch,
    accumulate: flags.accumulate,
    size: flags.size,
    learningRate: flags.lr,
    optimizer: flags.optimizer,
    momentum: flags.momentum,
    weightDecay: flags.weightDecay,
    schedule: flags.schedule,
    warmup: flags.warmup,
    classWeights: flags.classWeights,
    ohem: flags.ohem === undefined ? undefined : { threshold: flags.ohem },
    loss: flags.loss,
    labelSmoothing: flags.labelSmoothing,
    average: flags.ema,
    seed: flags.seed,
    policy: flags.policy,
    precision: flags.precision,
    init: flags.init && modelFile(flags.init),
    teacher: teacherOf(flags, { ...before, ...fromFile }.teacher as TrainConfig['teacher']),
    trainSplit: flags.trainSplit,
    valSplit: flags.valSplit,
    holdOut: flags.holdOut,
    valResize: flags.valResize && [flags.valResize.height, flags.valResize.width],
    extra: flags.extra,
    validateEvery: flags.validateEvery,
    samples: flags.samples,
    saveEveryMinutes: flags.saveEvery,
    logEvery: flags.logEvery,
    threads: flags.threads,
    workers: flags.workers,
    cacheMiB: flags.cache,
  };
  const merged: Record<string, unknown> = {
    ...before,
    resume: false,
    ...fromFile,
    ...Object.fromEntries(Object.entries(direct).filter(([, value]) => value !== undefined)),
    ...(Object.keys(augment).length > 0 ? { augment } : {}),
    ...(Object.keys(network).length + Object.keys(depth).length > 0
      ? { network: { name: 'vnet', ...network, config: { ...network.config, ...depth } } }
      : {}),
  };
  if (typeof merged.data !== 'string') {
    throw new UserError("required option '--data <dir>' not specified", 2);
  }
  const { device, gpu, ...config } = merged;
  const place = { device: flags.device ?? device, gpu: flags.gpu ?? gpu } as DeviceFlags;
  if (flags.resume && place.device === undefined && place.gpu === undefined) {
    return { config: config as unknown as TrainConfig, place: { device: await deviceOfRun(out) } };
  }
  return { config: config as unknown as TrainConfig, place };
}

/** Teachers of the flags over those of a file. @throws UserError for how they teach without any. */
function teacherOf(flags: TrainFlags, configured: TrainConfig['teacher']): TrainConfig['teacher'] {
  const { teacher, teacherShare: share, teacherScales, teacherFlip: flip } = flags;
  const scales = teacherScales && [...teacherScales];
  const how = Object.fromEntries(
    Object.entries({ share, scales, flip }).filter(([, value]) => value !== undefined),
  );
  const models = teacher?.map(modelFile) ?? configured?.models;
  if (models) return { ...configured, ...how, models };
  const [stray] = Object.keys(how);
  if (stray)
    throw new UserError(`--teacher-${stray}: there is no teacher; name one by --teacher <model...>`, 2);
  return undefined;
}

/** The device that a run was trained on so far: another one would change its last bits. */
async function deviceOfRun(out: string): Promise<DeviceName | undefined> {
  const { last, previous } = runFiles(out);
  for (const file of [last, previous]) {
    // A damaged checkpoint is the training's to report.
    const state = await readTraining(file).catch(() => undefined);
    if (state) return deviceNames.find((name) => name === state.recipe.backend);
  }
  return undefined;
}

/** Not part of the training's own options, as the library takes a backend there. */
const placeSchema = v.object({
  device: v.optional(v.picklist(deviceNames)),
  gpu: v.optional(v.string()),
});

/** The options in a JSON file, checked so that messages name the file. */
export async function readConfig(file: string): Promise<Record<string, unknown>> {
  const bytes = await readBytes(file);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new UserError(`${file}: is not valid JSON (${reason(error)})`, 2);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new UserError(
      `${file}: expected an object of options like {"epochs": 20, "learningRate": 0.002}`,
      2,
    );
  }
  // `data` and `out` may come from the command line instead.
  const { device, gpu, ...options } = json as Record<string, unknown>;
  parseTrainConfig({ data: path.sep, out: path.sep, ...options }, file);
  const place = v.safeParse(placeSchema, { device, gpu });
  if (!place.success) {
    const [issue] = place.issues;
    throw new UserError(`${file}: "${v.getDotPath(issue)}": ${issue.message}`, 2);
  }
  return json as Record<string, unknown>;
}
