import { madd } from './lanes';
import { addTo64, addTo64Scalar, runPixels } from './partials';
import { Span } from './span';

/** Pixels whose mean is the pivot of a chunk. */
const pivotPixels: i32 = 16;

@unmanaged
class BatchStatsArgs {
  x: usize;
  xStride: usize;
  channels: i32;
  pixels: Span;
  /** Per chunk and channel: the mean, then the sum of squared distances from it, float64. */
  partials: usize;
  blockBytes: usize;
  chunks: i32;
  stats: usize;
  statsStride: usize;
  eps: f32;
}

/**
 * Mean and squared distances of one chunk of pixels in one reading. Sums are taken of `x − pivot`, the pivot a
 * quick estimate of the mean, so that nothing cancels: `Σ(x − mean)² = Σd² − (Σd)²/n`, `d = x − pivot`.
 */
export function batchStats(a: BatchStatsArgs, chunk: i32, local: usize): void {
  const channels = a.channels as usize;
  const stride = a.xStride;
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const sums = a.partials + (chunk as usize) * a.blockBytes;
  const squares = sums + (channels << 3);
  memory.fill(sums, 0, channels << 4);
  const pivots = local;
  const few = min(pivotPixels, last - first);
  for (let c: usize = 0; c < channels; c++) {
    let x = a.x + (first as usize) * stride + (c << 2);
    let sum: f32 = 0;
    for (let i = 0; i < few; i++) {
      sum += load<f32>(x);
      x += stride;
    }
    store<f32>(pivots + (c << 2), sum / (few as f32));
  }
  for (let from = first; from < last; from += runPixels) {
    const count = min(runPixels, last - from);
    const row = a.x + (from as usize) * stride;
    let c: usize = 0;
    for (; c + 16 <= channels; c += 16) {
      let x = row + (c << 2);
      const p0 = v128.load(pivots + (c << 2));
      const p1 = v128.load(pivots + (c << 2), 16);
      const p2 = v128.load(pivots + (c << 2), 32);
      const p3 = v128.load(pivots + (c << 2), 48);
      let s0 = f32x4.splat(0);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      let q0 = s0;
      let q1 = s0;
      let q2 = s0;
      let q3 = s0;
      for (let i = 0; i < count; i++) {
        const d0 = f32x4.sub(v128.load(x), p0);
        s0 = f32x4.add(s0, d0);
        q0 = madd(d0, d0, q0);
        const d1 = f32x4.sub(v128.load(x, 16), p1);
        s1 = f32x4.add(s1, d1);
        q1 = madd(d1, d1, q1);
        const d2 = f32x4.sub(v128.load(x, 32), p2);
        s2 = f32x4.add(s2, d2);
        q2 = madd(d2, d2, q2);
        const d3 = f32x4.sub(v128.load(x, 48), p3);
        s3 = f32x4.add(s3, d3);
        q3 = madd(d3, d3, q3);
        x += stride;
      }
      const toSum = sums + (c << 3);
      addTo64(toSum, s0);
      addTo64(toSum + 32, s1);
      addTo64(toSum + 64, s2);
      addTo64(toSum + 96, s3);
      const toSquare = squares + (c << 3);
      addTo64(toSquare, q0);
      addTo64(toSquare + 32, q1);
      addTo64(toSquare + 64, q2);
      addTo64(toSquare + 96, q3);
    }
    for (; c + 4 <= channels; c += 4) {
      let x = row + (c << 2);
      const p = v128.load(pivots + (c << 2));
      let s = f32x4.splat(0);
      let q = s;
      for (let i = 0; i < count; i++) {
        const d = f32x4.sub(v128.load(x), p);
        s = f32x4.add(s, d);
        q = madd(d, d, q);
        x += stride;
      }
      addTo64(sums + (c << 3), s);
      addTo64(squares + (c << 3), q);
    }
    for (; c < channels; c++) {
      let x = row + (c << 2);
      const p = load<f32>(pivots + (c << 2));
      let s: f32 = 0;
      let q: f32 = 0;
      for (let i = 0; i < count; i++) {
        const d = load<f32>(x) - p;
        s += d;
        q += d * d;
        x += stride;
      }
      addTo64Scalar(sums + (c << 3), s);
      addTo64Scalar(squares + (c << 3), q);
    }
  }
  const n = (last - first) as f64;
  for (let c: usize = 0; c < channels; c++) {
    const sum = load<f64>(sums + (c << 3));
    const square = load<f64>(squares + (c << 3));
    store<f64>(sums + (c << 3), (load<f32>(pivots + (c << 2)) as f64) + sum / n);
    store<f64>(squares + (c << 3), square - (sum * sum) / n);
  }
}

/** Joins the chunks (Chan, Golub & LeVeque 1979): `M₂ = Σ M₂ᵢ + Σ nᵢ·(meanᵢ − mean)²`. */
export function batchStatsJoin(a: BatchStatsArgs, chunk: i32, local: usize): void {
  const channels = a.channels as usize;
  const total = a.pixels.count as f64;
  const full = a.pixels.perChunk as f64;
  const rest = (a.pixels.count - a.pixels.first(a.chunks - 1)) as f64;
  for (let c: usize = 0; c < channels; c++) {
    let at = a.partials + (c << 3);
    let sum: f64 = 0;
    for (let i = 0; i < a.chunks; i++) {
      sum += (i == a.chunks - 1 ? rest : full) * load<f64>(at);
      at += a.blockBytes;
    }
    const mean = sum / total;
    at = a.partials + (c << 3);
    let squares: f64 = 0;
    for (let i = 0; i < a.chunks; i++) {
      const d = load<f64>(at) - mean;
      squares += load<f64>(at + (channels << 3)) + (i == a.chunks - 1 ? rest : full) * d * d;
      at += a.blockBytes;
    }
    const variance = max<f64>(squares, 0) / total;
    const to = a.stats + (c << 2);
    store<f32>(to, mean as f32);
    store<f32>(to + a.statsStride, variance as f32);
    store<f32>(to + 2 * a.statsStride, (1 / Math.sqrt(variance + (a.eps as f64))) as f32);
  }
}
