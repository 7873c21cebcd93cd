/**
 * A small, fast generator (sfc32) with named streams: `Rng.of(seed, epoch, index)` gives the same numbers
 * wherever and whenever it is made, so nothing random depends on the order of work or the number of workers.
 */
export class Rng {
  private constructor(
    private a: number,
    private b: number,
    private c: number,
    private d: number,
  ) {}

  /** The stream of a tuple of integers; every integer up to 2^53 counts whole, and order matters. */
  static of(...words: number[]): Rng {
    let h1 = 0x9e3779b9;
    let h2 = 0x243f6a88;
    for (const word of words) {
      const low = word >>> 0;
      const high = Math.floor(word / 4294967296) >>> 0;
      h1 = mix32(h1 ^ low) + 0x85ebca6b;
      h2 = mix32(h2 ^ high ^ h1) + 0xc2b2ae35;
      h1 = mix32(h1 + h2);
    }
    const rng = new Rng(h1 | 0, h2 | 0, mix32(h1 ^ 0x3c6ef372), words.length + 1);
    for (let i = 0; i < 12; i++) rng.uint32();
    return rng;
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    const t = (this.a + this.b + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    this.c |= 0;
    return t >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    return this.uint32() / 4294967296;
  }

  /** A number in [low, high). */
  range(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** An integer in [0, n); 0 where n < 1. */
  int(n: number): number {
    return Math.floor(this.next() * Math.max(1, n));
  }

  /** True with probability p. */
  chance(p: number): boolean {
    return this.next() < p;
  }

  /** One element of a non-empty list. */
  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)];
  }

  /** Two uniforms per pair of calls (Box–Muller, one half kept): mean 0, deviation 1. */
  normal(): number {
    const u = 1 - this.next();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.next());
  }

  /** Fisher–Yates in place. */
  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  }
}

/** A bijective 32-bit mixer (the finaliser of MurmurHash3). */
export function mix32(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** FNV-1a of a string's UTF-8 bytes, then mixed: a stable 32-bit hash of a name. */
export function hashString(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  return mix32(h);
}
