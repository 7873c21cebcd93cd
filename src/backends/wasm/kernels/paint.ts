/**
 * Overlays, and their planes for video encoders: a module of its own (`paint.wasm`), whose functions take addresses as they
 * are. Sixteen pixels at a time, the rest of a row one by one.
 */

// @ts-ignore: decorator
@inline
function blend(image: v128, colour: v128, kept: v128, strength: v128): v128 {
  const half = i16x8.splat(128);
  const low = i16x8.add(
    i16x8.mul(i16x8.extend_low_i8x16_u(image), kept),
    i16x8.mul(i16x8.extend_low_i8x16_u(colour), strength),
  );
  const high = i16x8.add(
    i16x8.mul(i16x8.extend_high_i8x16_u(image), kept),
    i16x8.mul(i16x8.extend_high_i8x16_u(colour), strength),
  );
  return i8x16.narrow_i16x8_u(i16x8.shr_u(i16x8.add(low, half), 8), i16x8.shr_u(i16x8.add(high, half), 8));
}

/**
 * `(image · (256 − strength) + colour · strength + 128) / 256` where there is a class, the image elsewhere. `to` may be `image`.
 * @param colours 256 bytes each of red, green and blue by class.
 * @param strength of 256.
 */
export function overlay(
  image: usize,
  labels: usize,
  to: usize,
  width: usize,
  colours: usize,
  classes: i32,
  strength: i32,
): void {
  const kept = i16x8.splat((256 - strength) as i16);
  const strong = i16x8.splat(strength as i16);
  const count = i8x16.splat(classes as i8);
  let x: usize = 0;
  for (; x + 16 <= width; x += 16) {
    const label = v128.load(labels + x);
    let red = i8x16.splat(0);
    let green = red;
    let blue = red;
    // Of sixteen classes after the other: an index that is none of them gives 0.
    for (let c: i32 = 0; c < classes; c += 16) {
      const index = i8x16.sub(label, i8x16.splat(c as i8));
      red = v128.or(red, v128.swizzle(v128.load(colours + c), index));
      green = v128.or(green, v128.swizzle(v128.load(colours + c, 256), index));
      blue = v128.or(blue, v128.swizzle(v128.load(colours + c, 512), index));
    }
    const known = i8x16.lt_u(label, count);
    const at = image + 3 * x;
    const out = to + 3 * x;
    for (let third: usize = 0; third < 3; third++) {
      let colour: v128, mask: v128;
      if (third == 0) {
        colour = i8x16.shuffle(red, green, 0, 16, 0, 1, 17, 1, 2, 18, 2, 3, 19, 3, 4, 20, 4, 5);
        colour = i8x16.shuffle(colour, blue, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15);
        mask = i8x16.shuffle(known, known, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5);
      } else if (third == 1) {
        colour = i8x16.shuffle(red, green, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
        colour = i8x16.shuffle(colour, blue, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15);
        mask = i8x16.shuffle(known, known, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10);
      } else {
        colour = i8x16.shuffle(red, green, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
        colour = i8x16.shuffle(colour, blue, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31);
        mask = i8x16.shuffle(known, known, 10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15);
      }
      const before = v128.load(at + (third << 4));
      v128.store(out + (third << 4), v128.bitselect(blend(before, colour, kept, strong), before, mask));
    }
  }
  for (; x < width; x++) {
    const label = load<u8>(labels + x) as usize;
    for (let c: usize = 0; c < 3; c++) {
      const before = load<u8>(image + 3 * x + c) as i32;
      const colour = load<u8>(colours + (c << 8) + label) as i32;
      const painted = (before * (256 - strength) + colour * strength + 128) >> 8;
      store<u8>(to + 3 * x + c, (label as i32) < classes ? painted : before);
    }
  }
}

// @ts-ignore: decorator
@inline
function red(a: v128, b: v128, c: v128): v128 {
  const ab = i8x16.shuffle(a, b, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
  return i8x16.shuffle(ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
}

// @ts-ignore: decorator
@inline
function green(a: v128, b: v128, c: v128): v128 {
  const ab = i8x16.shuffle(a, b, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
  return i8x16.shuffle(ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30);
}

// @ts-ignore: decorator
@inline
function blue(a: v128, b: v128, c: v128): v128 {
  const ab = i8x16.shuffle(a, b, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
  return i8x16.shuffle(ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
}

/** Eight of 16 bits: `16 + (47 R + 157 G + 16 B + 128) / 256`. */
// @ts-ignore: decorator
@inline
function luma(r: v128, g: v128, b: v128): v128 {
  const sum = i16x8.add(
    i16x8.add(i16x8.mul(r, i16x8.splat(47)), i16x8.mul(g, i16x8.splat(157))),
    i16x8.add(i16x8.shl(b, 4), i16x8.splat(128)),
  );
  return i16x8.add(i16x8.shr_u(sum, 8), i16x8.splat(16));
}

// @ts-ignore: decorator
@inline
function lumaRow(r: v128, g: v128, b: v128, to: usize): void {
  const low = luma(i16x8.extend_low_i8x16_u(r), i16x8.extend_low_i8x16_u(g), i16x8.extend_low_i8x16_u(b));
  const high = luma(i16x8.extend_high_i8x16_u(r), i16x8.extend_high_i8x16_u(g), i16x8.extend_high_i8x16_u(b));
  v128.store(to, i8x16.narrow_i16x8_u(low, high));
}

/** Means of squares of four pixels, eight of 16 bits. */
// @ts-ignore: decorator
@inline
function means(top: v128, bottom: v128): v128 {
  const sum = i16x8.add(i16x8.extadd_pairwise_i8x16_u(top), i16x8.extadd_pairwise_i8x16_u(bottom));
  return i16x8.shr_u(i16x8.add(sum, i16x8.splat(2)), 2);
}

/** `128 + (c₀ R + c₁ G + c₂ B + 128) / 256`, eight bytes. */
// @ts-ignore: decorator
@inline
function chroma(r: v128, g: v128, b: v128, c0: i16, c1: i16, c2: i16, to: usize): void {
  const sum = i16x8.add(
    i16x8.add(i16x8.mul(r, i16x8.splat(c0)), i16x8.mul(g, i16x8.splat(c1))),
    i16x8.add(i16x8.mul(b, i16x8.splat(c2)), i16x8.splat(128)),
  );
  const bytes = i16x8.add(i16x8.shr_s(sum, 8), i16x8.splat(128));
  v128.store64_lane(to, i8x16.narrow_i16x8_u(bytes, bytes), 0);
}

// @ts-ignore: decorator
@inline
function lumaOf(at: usize): u8 {
  return (16 +
    ((47 * (load<u8>(at) as i32) + 157 * (load<u8>(at, 1) as i32) + 16 * (load<u8>(at, 2) as i32) + 128) >> 8)) as u8;
}

// @ts-ignore: decorator
@inline
function chromaOf(r: i32, g: i32, b: i32, c0: i32, c1: i32, c2: i32): u8 {
  return (128 + ((c0 * r + c1 * g + c2 * b + 128) >> 8)) as u8;
}

/**
 * Two rows of RGB as planes of BT.709 in narrow range, a colour for each four pixels.
 * @param width even.
 */
export function planes(top: usize, bottom: usize, width: usize, yTop: usize, yBottom: usize, u: usize, v: usize): void {
  let x: usize = 0;
  for (; x + 16 <= width; x += 16, top += 48, bottom += 48) {
    const a0 = v128.load(top);
    const a1 = v128.load(top, 16);
    const a2 = v128.load(top, 32);
    const b0 = v128.load(bottom);
    const b1 = v128.load(bottom, 16);
    const b2 = v128.load(bottom, 32);
    const ar = red(a0, a1, a2);
    const ag = green(a0, a1, a2);
    const ab = blue(a0, a1, a2);
    const br = red(b0, b1, b2);
    const bg = green(b0, b1, b2);
    const bb = blue(b0, b1, b2);
    lumaRow(ar, ag, ab, yTop + x);
    lumaRow(br, bg, bb, yBottom + x);
    const r = means(ar, br);
    const g = means(ag, bg);
    const b = means(ab, bb);
    chroma(r, g, b, -26, -86, 112, u + (x >> 1));
    chroma(r, g, b, 112, -102, -10, v + (x >> 1));
  }
  for (; x < width; x += 2, top += 6, bottom += 6) {
    store<u8>(yTop + x, lumaOf(top));
    store<u8>(yTop + x, lumaOf(top + 3), 1);
    store<u8>(yBottom + x, lumaOf(bottom));
    store<u8>(yBottom + x, lumaOf(bottom + 3), 1);
    const r = ((load<u8>(top) as i32) + load<u8>(top, 3) + load<u8>(bottom) + load<u8>(bottom, 3) + 2) >> 2;
    const g = ((load<u8>(top, 1) as i32) + load<u8>(top, 4) + load<u8>(bottom, 1) + load<u8>(bottom, 4) + 2) >> 2;
    const b = ((load<u8>(top, 2) as i32) + load<u8>(top, 5) + load<u8>(bottom, 2) + load<u8>(bottom, 5) + 2) >> 2;
    store<u8>(u + (x >> 1), chromaOf(r, g, b, -26, -86, 112));
    store<u8>(v + (x >> 1), chromaOf(r, g, b, 112, -102, -10));
  }
}
