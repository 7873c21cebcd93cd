import * as v from 'valibot';
import { decodeSafetensors } from '../model/safetensors.js';
import type { Dictionary } from './pth.js';
import { readPth } from './pth.js';

/** A file of weights, of any program. */
export interface Checkpoint {
  readonly dictionaries: readonly Dictionary[];
  /** What a `state_dict` that this program exported says of its network. */
  readonly network?: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

const configSchema = v.record(v.string(), v.unknown());

/**
 * The tensors of a checkpoint: safetensors by their header, else PyTorch's files.
 * @param file is what messages name.
 * @throws UserError, one line: damaged, no checkpoint, or no tensors.
 */
export function readCheckpoint(bytes: Uint8Array, file: string): Checkpoint {
  const isSafetensors = bytes.length > 9 && bytes[8] === 0x7b && bytes[7] === 0;
  if (!isSafetensors && !file.endsWith('.safetensors')) return { dictionaries: readPth(bytes, file) };
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  const dictionaries = [{ path: '', tensors }];
  if (metadata.network === undefined || metadata.config === undefined) return { dictionaries };
  let config: unknown;
  try {
    config = JSON.parse(metadata.config);
  } catch {
    return { dictionaries };
  }
  const parsed = v.safeParse(configSchema, config);
  return { dictionaries, ...(parsed.success ? { network: metadata.network, config: parsed.output } : {}) };
}
