import { is, No, storeBoth, Yes } from './lanes';
import { columnsOf, fillTile, finish, PyramidPoolArgs } from './pool';

/** The row of the tile that lies at row `row` of the strided image, or a row of zeros between them. */
// @ts-ignore: decorator
@inline
function stridedRow(row: i32, stride: i32, top: i32, tile: usize, bytes: usize, zeros: usize): usize {
  return row % stride == 0 ? tile + ((row / stride - top) as usize) * bytes : zeros;
}

/** Words of one residue in the table of `listTerms`: how many, then at most seven offsets. */
export const termWords: usize = 8;

/**
 * Where the terms of a pixel lie in the sums, by its column modulo the stride: byte offsets from the pooled column
 * at or before it.
 */
function listTerms(to: usize, radius: i32, stride: i32, bytes: usize, pixel: usize): void {
  for (let residue = 0; residue < stride; residue++) {
    let count = 0;
    for (let d = -radius; d <= radius; d++) {
      const q = residue + d;
      if (q % stride != 0) continue;
      count++;
      store<i32>(to + ((count as usize) << 2), abs(d) * (bytes as i32) + (q / stride) * (pixel as i32));
    }
    store<i32>(to, count);
    to += termWords << 2;
  }
}

const fewTerms: i32 = 4;

/** The sums of at most four terms, of whole runs of eight channels, in pairs for 256 bits; what is missing is zeros. */
// @ts-ignore: decorator
@inline
function addFew<Add>(list: usize, base: usize, zeros: usize, pixel: usize, y: usize, acc: usize): void {
  const count = load<i32>(list);
  const t0 = count > 0 ? base + load<usize>(list, 4) : zeros;
  const t1 = count > 1 ? base + load<usize>(list, 8) : zeros;
  const t2 = count > 2 ? base + load<usize>(list, 12) : zeros;
  const t3 = count > 3 ? base + load<usize>(list, 16) : zeros;
  for (let c: usize = 0; c < pixel; c += 32) {
    let low = f32x4.add(f32x4.add(v128.load(t0 + c), v128.load(t1 + c)), v128.load(t2 + c));
    let high = f32x4.add(f32x4.add(v128.load(t0 + c, 16), v128.load(t1 + c, 16)), v128.load(t2 + c, 16));
    low = f32x4.add(low, v128.load(t3 + c));
    high = f32x4.add(high, v128.load(t3 + c, 16));
    if (is<Add>()) {
      low = f32x4.add(low, v128.load(acc + c));
      high = f32x4.add(high, v128.load(acc + c, 16));
    }
    storeBoth(y + c, low, high);
  }
}

/** A row of pixels of the gradient. */
// @ts-ignore: decorator
@inline
function addRow<Add>(
  a: PyramidPoolArgs,
  terms: usize,
  base: usize,
  residue: i32,
  zeros: usize,
  pixel: usize,
  count: i32,
  y: usize,
  acc: usize,
): void {
  for (let i = 0; i < count; i++) {
    addFew<Add>(terms + (residue as usize) * (termWords << 2), base, zeros, pixel, y, acc);
    y += a.yStride;
    acc += a.accStride;
    if (++residue == a.stride) {
      residue = 0;
      base += pixel;
    }
  }
}

/**
 * `x` is the gradient of the pooled image, `y` that of the image before. The same two steps, over the pooled image
 * with `stride − 1` zeros between its pixels; along the rows the zeros are left out.
 */
export function pyramidPoolGrad(a: PyramidPoolArgs, chunk: i32, local: usize): void {
  const radius = a.radius;
  const stride = a.stride;
  const image = chunk / a.bands;
  const firstRow = (chunk % a.bands) * a.bandRows;
  const lastRow = min(firstRow + a.bandRows, a.yHeight);
  // Pooled rows and columns that a tile sees beyond its own.
  const margin = (radius + stride - 1) / stride;
  const top = firstRow / stride - margin;
  const rows = (lastRow - 1) / stride + margin + 1 - top;
  const channels = a.channels;
  const terms = local;
  const tile = local + (((stride as usize) * (termWords << 2) + 15) & ~15);
  for (let x0 = 0; x0 < a.yWidth; x0 += a.tileColumns) {
    const count = min(a.tileColumns, a.yWidth - x0);
    const left = x0 / stride - margin;
    const tileWidth = (x0 + count - 1) / stride + margin + 1 - left;
    for (let c0 = 0; c0 < channels; c0 += a.tileChannels) {
      const part = min(a.tileChannels, channels - c0) as usize;
      const pixel = ((part + 3) & ~3) << 2;
      const bytes = (tileWidth as usize) * pixel;
      const zeros = tile + (rows as usize) * bytes;
      const sums = zeros + bytes;
      listTerms(terms, radius, stride, bytes, pixel);
      fillTile(a, image, top, rows, left, tileWidth, c0, part, pixel >> 2, tile, false, false);
      memory.fill(zeros, 0, bytes);
      const few = !a.scale && !a.slope && !(part & 7) && 2 * radius < fewTerms * stride;
      for (let row = firstRow; row < lastRow; row++) {
        columnsOf(
          a,
          bytes,
          bytes,
          sums,
          stridedRow(row, stride, top, tile, bytes, zeros),
          stridedRow(row - 1, stride, top, tile, bytes, zeros),
          stridedRow(row + 1, stride, top, tile, bytes, zeros),
          stridedRow(row - 2, stride, top, tile, bytes, zeros),
          stridedRow(row + 2, stride, top, tile, bytes, zeros),
          stridedRow(row - 3, stride, top, tile, bytes, zeros),
          stridedRow(row + 3, stride, top, tile, bytes, zeros),
        );
        const offset = ((image * a.yHeight + row) * a.yWidth + x0) as usize;
        let y = a.y + offset * a.yStride;
        let acc = a.acc + offset * a.accStride;
        let residue = x0 % stride;
        let base = sums + ((x0 / stride - left) as usize) * pixel;
        if (few) {
          const to = y + (c0 << 2);
          if (a.acc) addRow<Yes>(a, terms, base, residue, zeros, pixel, count, to, acc + (c0 << 2));
          else addRow<No>(a, terms, base, residue, zeros, pixel, count, to, 0);
          continue;
        }
        for (let i = 0; i < count; i++) {
          const list = terms + (residue as usize) * (termWords << 2);
          const listEnd = list + (load<i32>(list) << 2);
          for (let c: usize = 0; c < part; c += 4) {
            const at = base + (c << 2);
            let v = f32x4.splat(0);
            for (let term = list; term < listEnd; term += 4) {
              v = f32x4.add(v, v128.load(at + load<usize>(term, 4)));
            }
            finish(a, v, ((c0 as usize) + c) << 2, part - c, y, acc);
          }
          y += a.yStride;
          acc += a.accStride;
          if (++residue == stride) {
            residue = 0;
            base += pixel;
          }
        }
      }
    }
  }
}
