import path from 'node:path';
import { UserError } from '../errors.js';

/** Why a request gets no answer: becomes `{ "error": message }` with an HTTP status. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    /** 400 unreadable request, 404 no such thing, 413 too large, 422 cannot be segmented, 429 full, 503 not now. */
    readonly status: 400 | 401 | 403 | 404 | 406 | 408 | 413 | 415 | 422 | 429 | 501 | 503,
    message: string,
    /** Seconds after which a client may try again (`Retry-After`). */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** What a client may read of an error: mistakes in one line, of everything else only that it happened. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof UserError) return new Problem(422, error.message);
  return undefined;
}

/** Clients learn no paths: of what lies in a folder, what comes behind it. */
export const withoutFolder = (message: string, folder: string): string =>
  message.replaceAll(`${folder}${path.sep}`, '').replaceAll(folder, '');
