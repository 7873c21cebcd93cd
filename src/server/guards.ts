import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { Problem } from './problem.js';
import type { Context } from './services.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Lets requests through that carry the token. Comparing takes as long for any other one. */
export function requireToken(token: string): MiddlewareHandler<Context> {
  const wanted = digest(`Bearer ${token}`);
  return async (c, next) => {
    if (!timingSafeEqual(digest(c.req.header('authorization') ?? ''), wanted)) {
      throw new Problem(401, 'expected the header Authorization: Bearer TOKEN with the server’s token');
    }
    await next();
  };
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/** True for hosts that only this machine reaches. */
export const isLoopback = (host: string): boolean => loopback.test(host) || host === '::1';

/**
 * Only requests that name this machine: a page of another site that lets its own name point here (DNS rebinding) is no
 * user of a server that listens on loopback.
 */
export const requireLoopbackName: MiddlewareHandler<Context> = async (c, next) => {
  const host = c.req.header('host') ?? '';
  if (!loopback.test(host)) throw new Problem(403, 'this server answers on localhost only; name it so');
  await next();
};
