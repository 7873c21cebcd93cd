import { z } from '@hono/zod-openapi';

/** What every request that fails is answered with. */
const errorSchema = z.object({ error: z.string() }).openapi('Error');

export const jsonOf = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
});

const meanings = {
  400: 'The request cannot be read',
  401: 'The token is missing or wrong',
  404: 'No such model',
  406: 'None of the accepted types can be made',
  408: 'The body came too slowly',
  413: 'Too many bytes, pixels or parts',
  415: 'Encoded in a way that is not read here',
  422: 'No picture, or one that cannot be segmented',
  429: 'Too many pictures wait: try again after Retry-After seconds',
  501: 'This server has no ffmpeg',
  503: 'Not now: try again after Retry-After seconds',
} as const;

/** Responses of the given statuses, for a route. */
export const errors = (...statuses: (keyof typeof meanings)[]) =>
  Object.fromEntries(statuses.map((status) => [status, jsonOf(meanings[status], errorSchema)]));
