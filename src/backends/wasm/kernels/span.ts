/** Items cut into chunks of one size; the last chunk may have fewer. */
@unmanaged
export class Span {
  count: i32;
  perChunk: i32;

  /** The first item of a chunk. */
  // @ts-ignore: decorator
  @inline
  first(chunk: i32): i32 {
    return chunk * this.perChunk;
  }

  /** The item behind a chunk's last. */
  // @ts-ignore: decorator
  @inline
  last(chunk: i32): i32 {
    return min((chunk + 1) * this.perChunk, this.count);
  }
}
