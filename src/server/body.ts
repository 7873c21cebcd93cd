import { Problem } from './problem.js';

/** Bodies in memory, of all requests together. */
export class Bodies {
  private bytes = 0;

  /** @param most of all together; `each`: of one; `seconds`: from the first to the last byte of one. */
  constructor(
    private readonly most: number,
    private readonly each: number,
    private readonly seconds: number,
  ) {}

  /** Bytes held now. */
  get held(): number {
    return this.bytes;
  }

  /**
   * Reads a request's body and hands it to `use`, after which it no longer counts.
   * @throws Problem 408 for one that comes too slowly, 413 for more bytes than one may have, 503 where all together would
   * be too many, 400 for none or for fewer bytes than announced.
   */
  async read<T>(request: Request, use: (body: Uint8Array<ArrayBuffer>) => Promise<T>): Promise<T> {
    const announced = Number(request.headers.get('content-length') ?? Number.NaN);
    if (announced > this.each) throw this.tooLarge();
    const parts: Uint8Array[] = [];
    let length = 0;
    const reader = request.body?.getReader();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reader?.cancel().catch(() => undefined);
    }, 1000 * this.seconds);
    try {
      for (;;) {
        const part = (await reader?.read())?.value;
        if (late) throw new Problem(408, `the body took more than ${this.seconds} s to come`);
        if (!part) break;
        // Counted as bytes come, not as announced: announcing costs a client nothing.
        length += part.length;
        this.bytes += part.length;
        if (length > this.each) throw this.tooLarge();
        if (this.bytes > this.most) {
          throw new Problem(503, 'too many bytes of other requests are in memory; try again later', 1);
        }
        parts.push(part);
      }
      clearTimeout(timer);
      if (length === 0) throw new Problem(400, 'the body is empty; expected the bytes of a picture');
      if (announced > length)
        throw new Problem(400, `the body ended after ${length} of ${announced} bytes; send it again`);
      const body = new Uint8Array(length);
      let at = 0;
      for (const part of parts) {
        body.set(part, at);
        at += part.length;
      }
      parts.length = 0;
      return await use(body);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
        throw new Problem(400, 'the connection ended within the body');
      }
      throw error;
    } finally {
      clearTimeout(timer);
      this.bytes -= length;
    }
  }

  private tooLarge(): Problem {
    return new Problem(413, `the body is larger than ${this.each} bytes; send a smaller picture`);
  }
}

/**
 * Reads what is left of a body that nobody wants, at most so many bytes and seconds: a client that still sends when the
 * connection is closed may never see why it was refused.
 */
export async function drain(request: Request, most: number, seconds: number): Promise<void> {
  // A body that is not touched is drained, for a while, by what answers.
  if (Number(request.headers.get('content-length') ?? 0) > most) return;
  if (request.bodyUsed || !request.body || request.body.locked) return;
  const reader = request.body.getReader();
  const timer = setTimeout(() => reader.cancel().catch(() => undefined), 1000 * seconds);
  try {
    for (let length = 0; length <= most; ) {
      const { value, done } = await reader.read();
      if (done) return;
      length += value.length;
    }
  } catch {
    // The client has gone.
  } finally {
    clearTimeout(timer);
  }
}
