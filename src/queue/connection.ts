import type { Redis } from 'ioredis';
import { UserError } from '../errors.js';

/** Milliseconds between attempts to reach a Redis that has gone. */
const mostPause = 2000;

/** The packages that queues need, which are installed with vnet unless optional ones are left out. */
export async function queuePackages() {
  try {
    const [{ Queue, Worker }, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { Queue, Worker, Redis };
  } catch {
    throw new UserError('queues need the packages bullmq and ioredis: npm install bullmq ioredis');
  }
}

/** An address without what must not be shown. */
export function shownUrl(url: string): string {
  try {
    const { protocol, host } = new URL(url);
    return `${protocol}//${host}`;
  } catch {
    return url;
  }
}

/**
 * Connects to Redis or Valkey (`redis://host:6379`, `rediss://…` for TLS; user and password in the address, or in
 * REDIS_USERNAME and REDIS_PASSWORD). Once connected, it is waited for whenever it is gone.
 * @throws UserError where nothing answers.
 */
export async function connectRedis(url: string): Promise<Redis> {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw new UserError(
      `${url}: is no address of a queue; expected redis://host:6379 or rediss://host:6379`,
      2,
    );
  const { Redis } = await queuePackages();
  let connected = false;
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    ...(process.env.REDIS_USERNAME ? { username: process.env.REDIS_USERNAME } : {}),
    ...(process.env.REDIS_PASSWORD ? { password: process.env.REDIS_PASSWORD } : {}),
    retryStrategy: (times) => (connected ? Math.min(100 * times, mostPause) : null),
  });
  let last: Error | undefined;
  redis.on('error', (error) => {
    last = error;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    throw unreachable(url, last ?? (error as Error));
  }
  connected = true;
  return redis;
}

/** Whether Redis takes nothing more in (`maxmemory` with `noeviction`). */
export function isFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // What a transaction was refused for is told apart from it.
  const { previousErrors = [] } = error as { previousErrors?: readonly unknown[] };
  return /\bOOM\b/.test(error.message) || previousErrors.some(isFull);
}

function unreachable(url: string, error: Error): UserError {
  const { message, code = '' } = error as NodeJS.ErrnoException;
  const place = shownUrl(url);
  if (/^(NOAUTH|WRONGPASS|NOPERM)|invalid password/.test(message))
    return new UserError(
      `${place}: Redis refuses the password (${message}); set REDIS_PASSWORD, or REDIS_USERNAME`,
    );
  // Node 24 adds advice of its own after a semicolon.
  if (/CERT|SELF_SIGNED|ISSUER|ALTNAME/.test(code))
    return new UserError(
      `${place}: the certificate of Redis is not trusted (${message.split(';')[0]}); NODE_EXTRA_CA_CERTS names a file with that of its authority`,
    );
  return new UserError(`${place}: no Redis answers (${message || code}); start one, or look at the address`);
}

/**
 * Tells that Redis has gone, and that it is back; one that is started anew within a second or two is not worth a word.
 * @returns what ends it.
 */
export function watchRedis(url: string, redis: Redis, tell: (message: string) => void): () => void {
  let [missed, told] = [0, false];
  const timer = setInterval(() => {
    missed = redis.status === 'ready' ? 0 : missed + 1;
    if (missed === 3 && !told) {
      told = true;
      tell(`${shownUrl(url)}: Redis does not answer any more; waiting for it`);
    } else if (missed === 0 && told) {
      told = false;
      tell(`${shownUrl(url)}: Redis is back`);
    }
  }, 1000);
  timer.unref();
  return () => clearInterval(timer);
}

/** Whether Redis has answered with an error. */
export const isRefusal = (error: unknown): boolean => error instanceof Error && error.name === 'ReplyError';

/** What a failed command is told as. */
export function queueError(url: string, error: unknown): UserError {
  const { message } = error as Error;
  if (isFull(error))
    return new UserError(
      `${shownUrl(url)}: Redis is full (maxmemory); give it more memory, results so far are kept`,
    );
  return new UserError(`${shownUrl(url)}: Redis refused (${message})`);
}
