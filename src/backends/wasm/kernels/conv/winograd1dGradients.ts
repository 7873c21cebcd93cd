/** The transform `Ĝ·gy` of one-dimensional Winograd convolutions. */
import { madd, storeBoth } from '../lanes';
import { coefficientBytes, planeBytes } from './gemm';
import { Input } from './input';
import { Place, Tiles } from './tiles';
import { clamped, fetchRest } from './winograd1dInputs';

/** `Ĝ·gy` without its factors 1/4, −1/6, −1/6, 1/24, 1/24, 1, which `winograd1dWeights.ts` applies. */
export function transformGradients(
  gradient: Input,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  zeros: usize,
  dst: usize,
): void {
  const pixel = tiles.vertical ? gradient.row : gradient.pixel;
  const line = tiles.vertical ? gradient.pixel : gradient.row;
  const d = tiles.dilation;
  const step = pixel * (d as usize);
  const end = (gradient.channels as usize) << 2;
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    const at = place.position;
    const g = base + (place.image as usize) * gradient.image + (place.line as usize) * line + (at as usize) * pixel;
    const g0 = clamped(at, tiles.length, g, zeros);
    const g1 = clamped(at + d, tiles.length, g + step, zeros);
    const g2 = clamped(at + 2 * d, tiles.length, g + 2 * step, zeros);
    const g3 = clamped(at + 3 * d, tiles.length, g + 3 * step, zeros);
    let to = dst + ((i as usize) << 5);
    if (gradient.pixel > end + 16) fetchRest(g0, g1, g2, g3, end, gradient.pixel, to);
    // Lanes past the last channel lead to sums that nothing reads.
    for (let c: usize = 0; c < end; c += 32) {
      const a0 = v128.load(g0 + c);
      const b0 = v128.load(g0 + c, 16);
      const a1 = v128.load(g1 + c);
      const b1 = v128.load(g1 + c, 16);
      const a2 = v128.load(g2 + c);
      const b2 = v128.load(g2 + c, 16);
      const a3 = v128.load(g3 + c);
      const b3 = v128.load(g3 + c, 16);
      const evenA = f32x4.add(a0, a2);
      const evenB = f32x4.add(b0, b2);
      const oddA = f32x4.add(a1, a3);
      const oddB = f32x4.add(b1, b3);
      storeBoth(to, a0, b0);
      storeBoth(to + coefficientBytes, f32x4.add(evenA, oddA), f32x4.add(evenB, oddB));
      storeBoth(to + 2 * coefficientBytes, f32x4.sub(evenA, oddA), f32x4.sub(evenB, oddB));
      const even4A = madd(four, a2, a0);
      const even4B = madd(four, b2, b0);
      const odd4A = f32x4.mul(two, madd(four, a3, a1));
      const odd4B = f32x4.mul(two, madd(four, b3, b1));
      storeBoth(to + 3 * coefficientBytes, f32x4.add(even4A, odd4A), f32x4.add(even4B, odd4B));
      storeBoth(to + 4 * coefficientBytes, f32x4.sub(even4A, odd4A), f32x4.sub(even4B, odd4B));
      storeBoth(to + 5 * coefficientBytes, a3, b3);
      to += planeBytes;
    }
    places += offsetof<Place>();
  }
}
