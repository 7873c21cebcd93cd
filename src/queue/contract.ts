import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Build } from '../backends/wasm/runtime/module.js';
import { nodeHost } from '../backends/wasm/runtime/node.js';
import { outputKinds } from '../batch/outputs/kinds.js';
import { precisions } from '../compile.js';

/**
 * What coordinators and workers tell each other. Jobs carry no code. Those of trainings and evaluations carry numbers
 * alone: a worker opens the data that its own command line names, and compares fingerprints. Those of pictures carry
 * names below folders that the worker's command line allows.
 */

/** The queues, one for each kind of work. */
export const queues = {
  gradients: 'vnet-gradients',
  pictures: 'vnet-pictures',
  samples: 'vnet-samples',
} as const;
export type Kind = keyof typeof queues;
export const kinds = Object.keys(queues) as Kind[];

/** Names of what lies in Redis for a run; everything under `vnet:run:ID:` expires by itself. */
export const keysOf = (run: string) => ({
  setup: `vnet:run:${run}:setup`,
  /** Set as long as a coordinator waits for results. */
  alive: `vnet:run:${run}:alive`,
  /** A list: of a training one entry per result, to wake the coordinator; else the results themselves. */
  done: `vnet:run:${run}:done`,
  /** A list of what workers that cannot serve the run say. */
  refused: `vnet:run:${run}:refused`,
  /** The file of the model. */
  model: `vnet:run:${run}:model`,
  /** How often each picture was begun, until it is done. */
  tries: `vnet:run:${run}:tries`,
  /** Flat parameters before optimiser step `step`. */
  weights: (step: number) => `vnet:run:${run}:weights:${step}`,
  /** Which job computes which batch of a step. */
  taken: (step: number) => `vnet:run:${run}:taken:${step}`,
  gradient: (step: number, batch: number) => `vnet:run:${run}:gradient:${step}:${batch}`,
});

/** Seconds after which what a coordinator has left behind is gone. */
export const keptSeconds = 3600;
export const aliveSeconds = 30;
/** Largest model that travels through Redis. */
export const mostModelBytes = 2 ** 28;
/** Most pictures or samples of a job. */
export const mostItems = 256;

const id = z.string().regex(/^[0-9a-f]{16}$/);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const name = z.string().min(1).max(4096);
const side = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31);

/** What jobs of all kinds and versions name. */
export const anyJob = z.object({ run: id });

export const gradientJob = z.strictObject({
  run: id,
  /** Optimiser steps done so far: which weights. */
  step: count,
  epoch: count,
  /** The first batch of the step, among those of the epoch. */
  first: count,
  /** Batches of the step. */
  count: count.min(1).max(4096),
  /** Which of them: any other that is free will do as well. */
  batch: count.max(4095),
  /** Not so: this one is missing. */
  only: z.boolean(),
  /** Of the counter of dropout, at the first batch. */
  dropout: count,
});
export type GradientJob = z.infer<typeof gradientJob>;

export const gradientSetup = z.strictObject({
  version: z.string().max(200),
  /** The resolved configuration of the run, which `parseTrainConfig` checks. */
  config: z.record(z.string(), z.unknown()),
  fingerprint: z.string().max(64),
  weights: z.array(z.number()).max(255).optional(),
});
export type GradientSetup = z.infer<typeof gradientSetup>;

/** Numbers for `fitted` and `predictLabels`, which check them. */
const pair = z.tuple([side, side]).readonly();
const view = z.strictObject({
  resize: z.union([pair, z.literal('own')]).optional(),
  window: pair.optional(),
  scales: z.array(z.number()).max(64).readonly().optional(),
  flip: z.boolean().optional(),
});

/** What a worker needs to know to predict as its coordinator would. */
const predicting = {
  version: z.string().max(200),
  backend: z.enum(['wasm', 'webgpu']),
  precision: z.enum(precisions).optional(),
  /** SHA-256 of the model's file, which lies beside. */
  model: z.string().regex(/^[0-9a-f]{64}$/),
  view,
};

export const pictureSetup = z.strictObject({
  ...predicting,
  out: name,
  kinds: z
    .array(z.enum(outputKinds.map((kind) => kind.name)))
    .min(1)
    .max(outputKinds.length),
  alpha: z.number().min(0).max(1),
  legend: z.boolean(),
  overwrite: z.boolean(),
  recipe: z.string().max(4096),
  /** Times that a picture is begun before it is given up. */
  tries: count.min(1).max(1000),
});
export type PictureSetup = z.infer<typeof pictureSetup>;

export const pictureJob = z.strictObject({
  run: id,
  images: z
    .array(
      z.strictObject({
        index: count,
        file: name,
        /** Of its results, below `out`. */
        name: name.refine((text) => !isAbsolute(text) && !text.split(/[\\/]/).includes('..'), 'leads out'),
        stamp: z.string().max(1000),
      }),
    )
    .min(1)
    .max(mostItems),
});
export type PictureJob = z.infer<typeof pictureJob>;

/** What became of a picture. */
export const pictureResult = z.strictObject({
  index: count,
  error: z.string().max(10_000).optional(),
  /** It had been done before. */
  kept: z.boolean().optional(),
  height: side.optional(),
  width: side.optional(),
  shownAt: pair.optional(),
  ms: z.number().min(0).optional(),
  written: z.record(z.string(), z.string().max(10_000)).optional(),
});
export type PictureResult = z.infer<typeof pictureResult>;

export const sampleSetup = z.strictObject({
  ...predicting,
  split: z.string().max(1000),
  fingerprint: z.string().max(64),
});
export type SampleSetup = z.infer<typeof sampleSetup>;

/** Samples of a split, in its order. */
export const sampleJob = z.strictObject({ run: id, first: count, count: count.min(1).max(mostItems) });
export type SampleJob = z.infer<typeof sampleJob>;

const counts = z.array(z.number().min(0)).max(256 * 256 + 256);
export const sampleResult = z.strictObject({
  index: count,
  error: z.string().max(10_000).optional(),
  /** Of a `ConfusionMatrix`. */
  confusion: counts.optional(),
  /** Of an `InstanceCounter`. */
  instances: counts.optional(),
  ms: z.number().min(0).optional(),
});
export type SampleResult = z.infer<typeof sampleResult>;

/**
 * Version of the program and its kernels, as far as they decide bits: two machines whose versions are equal compute the
 * same gradients.
 */
export function programVersion(): string {
  const build: Build = nodeHost.hasRelaxedSimd() ? 'relaxed' : 'plain';
  const manifest = new URL('../../../package.json', import.meta.url);
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(manifest, 'utf8')));
  const kernels = readFileSync(fileURLToPath(new URL(`../../wasm/${build}.wasm`, import.meta.url)));
  const digest = createHash('sha256').update(kernels).digest('hex').slice(0, 12);
  return `${version}, kernels ${build} ${digest}`;
}

/** `loss, weight, gradient, statistics` as float32, little-endian. */
export function encodeGradient(parts: {
  readonly loss: number;
  readonly weight: number;
  readonly grads: Float32Array;
  readonly statistics?: Float32Array;
}): Buffer {
  const { loss, weight, grads, statistics = new Float32Array() } = parts;
  const values = new Float32Array(2 + grads.length + statistics.length);
  values.set([loss, weight]);
  values.set(grads, 2);
  values.set(statistics, 2 + grads.length);
  return Buffer.from(values.buffer);
}

/** The reverse, for known lengths; undefined where the bytes are not of that length. */
export function decodeGradient(bytes: Buffer, gradient: number, statistics: number) {
  if (bytes.length !== 4 * (2 + gradient + statistics)) return undefined;
  const values = floats(bytes);
  return {
    loss: values[0],
    weight: values[1],
    grads: values.slice(2, 2 + gradient),
    statistics: values.slice(2 + gradient),
  };
}

/** Bytes as float32, copied to where they are aligned. */
export function floats(bytes: Buffer): Float32Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return new Float32Array(copy.buffer);
}
