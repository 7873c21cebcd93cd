/** The transform `Ĝ·gy` of one-dimensional Winograd convolutions. */
import { madd } from '../lanes';
import { coefficientBytes, planeBytes } from './gemm';
import { Input } from './input';
import { Place, Tiles } from './tiles';
import { clamped, fetchRest } from './winograd1dTransforms';

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
    let to = dst + ((i as usize) << 4);
    if (gradient.pixel > end + 16) fetchRest(g0, g1, g2, g3, end, gradient.pixel, to);
    // Lanes past the last channel lead to sums that nothing reads.
    for (let c: usize = 0; c < end; c += 16) {
      const v0 = v128.load(g0 + c);
      const v1 = v128.load(g1 + c);
      const v2 = v128.load(g2 + c);
      const v3 = v128.load(g3 + c);
      const even = f32x4.add(v0, v2);
      const odd = f32x4.add(v1, v3);
      v128.store(to, v0);
      v128.store(to, f32x4.add(even, odd), coefficientBytes);
      v128.store(to, f32x4.sub(even, odd), 2 * coefficientBytes);
      const even2 = madd(four, v2, v0);
      const odd2 = f32x4.mul(two, madd(four, v3, v1));
      v128.store(to, f32x4.add(even2, odd2), 3 * coefficientBytes);
      v128.store(to, f32x4.sub(even2, odd2), 4 * coefficientBytes);
      v128.store(to, v3, 5 * coefficientBytes);
      to += planeBytes;
    }
    places += offsetof<Place>();
  }
}
