import type { Redis } from 'ioredis';
import type { z } from 'zod';
import type { Backend } from '../backends/backend.js';
import { UserError } from '../errors.js';
import type { Kind } from './contract.js';
import { keysOf, programVersion } from './contract.js';

/** What a worker has for its tasks. */
export interface Bench {
  readonly redis: Redis;
  readonly backend: Backend;
  readonly threads?: number;
  /** Jobs at a time, which share the machine. */
  readonly concurrency: number;
  /** Threads that decode images. */
  readonly workers?: number;
  readonly onEvent?: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | { readonly type: 'run'; readonly kind: Kind; readonly run: string }
  | { readonly type: 'done'; readonly kind: Kind; readonly what: string; readonly ms: number }
  | { readonly type: 'notice'; readonly message: string };

/** One kind of work that a worker can do. */
export interface Task<Job extends { readonly run: string } = { readonly run: string }> {
  readonly kind: Kind;
  readonly job: z.ZodType<Job>;
  /**
   * Makes ready for a run.
   * @returns undefined where the run is gone. @throws UserError where this worker cannot serve it.
   */
  open(run: string, bench: Bench): Promise<Session<Job> | undefined>;
}

/** What a worker has ready for a run, for one job at a time. */
export interface Session<Job> {
  /** @param id of the job in the queue: the same where it comes again. */
  compute(job: Job, id: string): Promise<void>;
  close(): Promise<void>;
}

const version = programVersion();

/**
 * What lies in Redis for a run, checked: its version first, since another may have another shape.
 * @returns undefined where the run is gone. @throws UserError for another version.
 */
export async function readSetup<T>(redis: Redis, run: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await redis.get(keysOf(run).setup);
  if (text === null) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const its = (value as { version?: unknown } | undefined)?.version;
  if (typeof its === 'string' && its !== version) {
    throw new UserError(
      `run ${run}: is of vnet ${its.slice(0, 200)}, this worker is ${version}; results would differ, install the same version on machines of the same kind`,
    );
  }
  const { success, data } = schema.safeParse(value);
  if (!success)
    throw new UserError(`run ${run}: its setup is none of this program's; update vnet here or there`);
  return data;
}

/** Refuses results of another kind of device. */
export function checkBackend(run: string, wanted: string, { name }: Backend): void {
  if (name === wanted) return;
  throw new UserError(
    `run ${run}: is for the device ${wanted}, this worker has ${name}; results would differ in their last bits`,
  );
}
