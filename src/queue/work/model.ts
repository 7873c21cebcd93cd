import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { UserError } from '../../errors.js';
import { decodeModel } from '../../model/format.js';
import type { Model } from '../../model/model.js';
import { modelOf } from '../../model/model.js';
import { keysOf, mostModelBytes } from '../contract.js';

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * The model of a run, from Redis.
 * @returns undefined where the run is gone. @throws UserError where it is not the one that the setup names.
 */
export async function readRunModel(redis: Redis, run: string, digest: string): Promise<Model | undefined> {
  const { model } = keysOf(run);
  if ((await redis.strlen(model)) > mostModelBytes)
    throw new UserError(`run ${run}: its model has more than ${mostModelBytes} bytes`);
  const bytes = await redis.getBuffer(model);
  if (!bytes) return undefined;
  if (digestOf(bytes) !== digest) throw new UserError(`run ${run}: its model is not the one that it names`);
  const file = `the model of run ${run}`;
  return modelOf(decodeModel(bytes, file), file);
}
