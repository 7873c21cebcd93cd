import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context as HonoContext, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { Problem } from './problem.js';
import type { Context } from './services.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Of the cookie by which a page's pictures, which cannot send headers, show that its user knows the token. */
const cookieName = 'vnet_live';

/** Its value; tells nothing of the token. */
const cookieOf = (token: string): string => digest(`live ${token}`).toString('hex');

/** Lets requests through that carry the token. Comparing takes as long for any other one. */
export function requireToken(token: string): MiddlewareHandler<Context> {
  const wanted = digest(`Bearer ${token}`);
  const wantedCookie = digest(cookieOf(token));
  return async (c, next) => {
    const looking = c.req.method === 'GET' && /^\/v1\/streams(\/|$)/.test(c.req.path);
    const knows =
      timingSafeEqual(digest(c.req.header('authorization') ?? ''), wanted) ||
      (looking && timingSafeEqual(digest(getCookie(c, cookieName) ?? ''), wantedCookie));
    if (!knows) {
      throw new Problem(401, 'expected the header Authorization: Bearer TOKEN with the server’s token');
    }
    await next();
  };
}

/** Gives the cookie to who knows the token. @returns whether they do. */
export function admit(c: HonoContext<Context>, token: string, given: string): boolean {
  if (!timingSafeEqual(digest(given), digest(token))) return false;
  setCookie(c, cookieName, cookieOf(token), { httpOnly: true, sameSite: 'Strict', path: '/v1/streams' });
  return true;
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
