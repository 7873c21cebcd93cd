/**
 * Products of eight inputs to eight outputs, of the six coefficients of a line of tiles (`winograd2d.ts`): what each call of `gemm.ts`
 * costs would be a third of such a convolution. Twelve tiles at a time, which only vectors of 256 bits leave registers for.
 */
import { madd, storeBoth } from '../lanes';
import { tileBytes } from './winograd2dArgs';

const together: i32 = 12;

/** `w`: weights of the first coefficient, `step` bytes before those of the next. Of up to eleven tiles more. */
export function multiplyEights(a: usize, w: usize, step: usize, count: i32, out: usize): void {
  const end = w + 6 * step;
  const bytes = (((count + together - 1) / together) as usize) * 384;
  while (w < end) {
    const last = a + bytes;
    while (a < last) {
      let a0 = f32x4.splat(0);
      let b0 = f32x4.splat(0);
      let a1 = f32x4.splat(0);
      let b1 = f32x4.splat(0);
      let a2 = f32x4.splat(0);
      let b2 = f32x4.splat(0);
      let a3 = f32x4.splat(0);
      let b3 = f32x4.splat(0);
      let a4 = f32x4.splat(0);
      let b4 = f32x4.splat(0);
      let a5 = f32x4.splat(0);
      let b5 = f32x4.splat(0);
      let a6 = f32x4.splat(0);
      let b6 = f32x4.splat(0);
      let a7 = f32x4.splat(0);
      let b7 = f32x4.splat(0);
      let a8 = f32x4.splat(0);
      let b8 = f32x4.splat(0);
      let a9 = f32x4.splat(0);
      let b9 = f32x4.splat(0);
      let a10 = f32x4.splat(0);
      let b10 = f32x4.splat(0);
      let a11 = f32x4.splat(0);
      let b11 = f32x4.splat(0);
      let x = a;
      const next = w + 256;
      for (let u = w; u < next; u += 32) {
        const w0 = v128.load(u);
        const w1 = v128.load(u, 16);
        const x0 = v128.load32_splat(x);
        a0 = madd(x0, w0, a0);
        b0 = madd(x0, w1, b0);
        const x1 = v128.load32_splat(x, 32);
        a1 = madd(x1, w0, a1);
        b1 = madd(x1, w1, b1);
        const x2 = v128.load32_splat(x, 64);
        a2 = madd(x2, w0, a2);
        b2 = madd(x2, w1, b2);
        const x3 = v128.load32_splat(x, 96);
        a3 = madd(x3, w0, a3);
        b3 = madd(x3, w1, b3);
        const x4 = v128.load32_splat(x, 128);
        a4 = madd(x4, w0, a4);
        b4 = madd(x4, w1, b4);
        const x5 = v128.load32_splat(x, 160);
        a5 = madd(x5, w0, a5);
        b5 = madd(x5, w1, b5);
        const x6 = v128.load32_splat(x, 192);
        a6 = madd(x6, w0, a6);
        b6 = madd(x6, w1, b6);
        const x7 = v128.load32_splat(x, 224);
        a7 = madd(x7, w0, a7);
        b7 = madd(x7, w1, b7);
        const x8 = v128.load32_splat(x, 256);
        a8 = madd(x8, w0, a8);
        b8 = madd(x8, w1, b8);
        const x9 = v128.load32_splat(x, 288);
        a9 = madd(x9, w0, a9);
        b9 = madd(x9, w1, b9);
        const x10 = v128.load32_splat(x, 320);
        a10 = madd(x10, w0, a10);
        b10 = madd(x10, w1, b10);
        const x11 = v128.load32_splat(x, 352);
        a11 = madd(x11, w0, a11);
        b11 = madd(x11, w1, b11);
        x += 4;
      }
      storeBoth(out, a0, b0);
      storeBoth(out + 32, a1, b1);
      storeBoth(out + 64, a2, b2);
      storeBoth(out + 96, a3, b3);
      storeBoth(out + 128, a4, b4);
      storeBoth(out + 160, a5, b5);
      storeBoth(out + 192, a6, b6);
      storeBoth(out + 224, a7, b7);
      storeBoth(out + 256, a8, b8);
      storeBoth(out + 288, a9, b9);
      storeBoth(out + 320, a10, b10);
      storeBoth(out + 352, a11, b11);
      a += 384;
      out += 384;
    }
    w += step;
    a += tileBytes - bytes;
    out += tileBytes - bytes;
  }
}
