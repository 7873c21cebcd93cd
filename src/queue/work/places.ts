import type { Redis } from 'ioredis';
import type { BatchGradient } from '../../train/gradients.js';
import type { GradientJob } from '../contract.js';
import { encodeGradient, keptSeconds, keysOf } from '../contract.js';

/**
 * Claims a batch of a step for a job: the one that it had before, where the job has come again, else the first that is
 * free of those the worker would like, else any; nothing where all are taken. KEYS: which job has which batch. ARGV:
 * job, seconds to keep it, batches of the step, those the worker would like.
 */
const claim = `
local taken = redis.call('HGETALL', KEYS[1])
for i = 1, #taken, 2 do
  if taken[i + 1] == ARGV[1] then return tonumber(taken[i]) end
end
local function try(batch)
  if redis.call('HSETNX', KEYS[1], batch, ARGV[1]) == 0 then return false end
  redis.call('EXPIRE', KEYS[1], ARGV[2])
  return true
end
for i = 4, #ARGV do
  if try(ARGV[i]) then return tonumber(ARGV[i]) end
end
for batch = 0, tonumber(ARGV[3]) - 1 do
  if try(batch) then return batch end
end
return -1`;

/**
 * The batch of its step that a job computes; -1 where none is left. @param id of the job in the queue. @param liked
 * batches that the worker would like, since it has decoded them.
 */
export async function claimBatch(
  redis: Redis,
  { run, step, count, batch, only }: GradientJob,
  id: string,
  liked: readonly number[],
): Promise<number> {
  const key = keysOf(run).taken(step);
  if (!only) return Number(await redis.eval(claim, 1, key, id, keptSeconds, count, ...liked, batch));
  await redis.multi().hset(key, batch, id).expire(key, keptSeconds).exec();
  return batch;
}

/** Gives the coordinator a batch's gradient. */
export async function handIn(
  redis: Redis,
  { run, step }: GradientJob,
  batch: number,
  gradient: BatchGradient,
): Promise<void> {
  const keys = keysOf(run);
  const replies = await redis
    .multi()
    .set(keys.gradient(step, batch), encodeGradient(gradient), 'EX', keptSeconds)
    .rpush(keys.done, batch)
    .expire(keys.done, keptSeconds)
    .exec();
  for (const [error] of replies ?? []) if (error) throw error;
}
