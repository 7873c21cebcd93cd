import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Build } from '../backends/wasm/runtime/module.js';
import { nodeHost } from '../backends/wasm/runtime/node.js';

/**
 * What coordinator and workers tell each other. Jobs carry numbers and names, no code and no path: a worker opens the
 * data that its own command line names, and compares fingerprints.
 */

/** Names of what lies in Redis for a run; everything under `vnet:run:ID:` expires by itself. */
export const keysOf = (run: string) => ({
  setup: `vnet:run:${run}:setup`,
  /** Set as long as a coordinator waits for results. */
  alive: `vnet:run:${run}:alive`,
  /** One entry per result, to wake the coordinator. */
  done: `vnet:run:${run}:done`,
  /** Flat parameters before optimiser step `step`. */
  weights: (step: number) => `vnet:run:${run}:weights:${step}`,
  gradient: (step: number, batch: number) => `vnet:run:${run}:gradient:${step}:${batch}`,
});

export const gradientQueue = 'vnet-gradients';

/** Seconds after which what a coordinator has left behind is gone. */
export const keptSeconds = 3600;
export const aliveSeconds = 30;

const id = z.string().regex(/^[0-9a-f]{16}$/);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const gradientJob = z.strictObject({
  run: id,
  /** Optimiser steps done so far: which weights. */
  step: count,
  epoch: count,
  /** The batch, among those of the epoch. */
  index: count,
  /** The same, among those of the step. */
  batch: count.max(4096),
  /** Of the counter of dropout. */
  dropout: count,
});
export type GradientJob = z.infer<typeof gradientJob>;

export const runSetup = z.strictObject({
  version: z.string().max(200),
  /** The resolved configuration of the run, which `parseTrainConfig` checks. */
  config: z.record(z.string(), z.unknown()),
  fingerprint: z.string().max(64),
  weights: z.array(z.number()).max(255).optional(),
});
export type StoredSetup = z.infer<typeof runSetup>;

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
