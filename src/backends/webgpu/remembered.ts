/// <reference types="@webgpu/types" />
import * as v from 'valibot';
import { hashString } from '../../data/rng.js';
import type { Files } from '../../data/storage/named.js';
import { UserError } from '../../errors.js';
import { Choices } from './choices.js';

/** Raised when candidates have changed so much that what was measured before no longer counts. */
const KERNELS = 1;

/** Of a file at most; what is read was perhaps written by somebody else. */
const most = { bytes: 16 << 20, choices: 50_000 } as const;

/** What of an adapter decides how fast kernels are: the GPU, and its driver where the description names it. */
const identityOf = ({ vendor, architecture, device, description }: GPUAdapterInfo): string =>
  [vendor, architecture, device, description].join(' | ');

const fileSchema = v.strictObject({
  format: v.literal('vnet kernel choices'),
  kernels: v.number(),
  adapter: v.string(),
  choices: v.pipe(
    v.array(v.strictTuple([v.pipe(v.string(), v.maxLength(20_000)), v.pipe(v.string(), v.maxLength(200))])),
    v.maxLength(most.choices),
  ),
});

/** The name of the file of an adapter: readable, and different for every adapter and driver. */
export function choicesFileOf(info: GPUAdapterInfo): string {
  const identity = identityOf(info);
  const words = identity.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return `${words.slice(0, 80).replace(/^-|-$/g, '')}-${hashString(identity).toString(16).padStart(8, '0')}.json`;
}

/**
 * What was measured on an adapter; empty where nothing was, or with kernels of another version.
 * @throws UserError naming the file where it is not what {@link remember} writes.
 */
export async function recall(files: Files, info: GPUAdapterInfo): Promise<Choices> {
  const name = choicesFileOf(info);
  const bytes = await files.read(name);
  if (!bytes) return new Choices();
  const damaged = (why: string) =>
    new UserError(`${name} in ${files.place}: ${why}; nothing of it is used, measure again`);
  if (bytes.length > most.bytes) throw damaged(`${bytes.length} bytes, expected at most ${most.bytes}`);
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw damaged('not JSON');
  }
  const parsed = v.safeParse(fileSchema, content);
  if (!parsed.success) {
    const [{ path = [], message }] = parsed.issues;
    throw damaged(`${path.map(({ key }) => String(key)).join('.') || 'the file'}: ${message}`);
  }
  const { kernels, adapter, choices } = parsed.output;
  return kernels === KERNELS && adapter === identityOf(info) ? new Choices(choices) : new Choices();
}

/** Writes what was measured on an adapter, beside what is known of other shapes. A damaged file is replaced. */
export async function remember(files: Files, info: GPUAdapterInfo, measured: Choices): Promise<string> {
  const known = await recall(files, info).catch(() => new Choices());
  for (const [signature, candidate] of measured.entries()) known.set(signature, candidate);
  const name = choicesFileOf(info);
  const content: v.InferOutput<typeof fileSchema> = {
    format: 'vnet kernel choices',
    kernels: KERNELS,
    adapter: identityOf(info),
    choices: known.entries().slice(-most.choices),
  };
  await files.write(name, new TextEncoder().encode(`${JSON.stringify(content, null, 1)}\n`));
  return name;
}
