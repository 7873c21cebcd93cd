import { madd, prelu4 } from './lanes';
import { along, Args, columnsOf } from './pool';

/** A row of the image, or zeros beyond its border. */
// @ts-ignore: decorator
@inline
function rowAt(y: i32, height: i32, image: usize, rowBytes: usize, zeros: usize): usize {
  return <u32>y < <u32>height ? image + (y as usize) * rowBytes : zeros;
}

// @ts-ignore: decorator
@inline
function poolRow(a: Args, radius: i32, sums: usize, bytes: usize, pixel: usize, count: i32, y: usize): void {
  const scale = a.scale;
  const shift = a.shift;
  const slope = a.slope;
  const yStride = a.yStride;
  const step = (a.stride as usize) * pixel;
  let at = sums + (radius as usize) * pixel;
  for (let x = 0; x < count; x++) {
    for (let c: usize = 0; c < pixel; c += 16) {
      let v = along(radius, at + c, bytes, pixel);
      if (scale) v = madd(v, v128.load(scale + c), v128.load(shift + c));
      if (slope) v = prelu4(v, v128.load(slope + c));
      v128.store(y + c, v);
    }
    at += step;
    y += yStride;
  }
}

/**
 * `pyramidPool` of whole vectors of channels that follow each other without gaps and without a prologue: no copy of the
 * input. One chunk: a tile of columns, all channels, walked downwards.
 */
export function pyramidPoolDense(args: usize, chunk: i32, local: usize): void {
  const a = changetype<Args>(args);
  const radius = a.radius;
  const stride = a.stride;
  const tiles = (a.yWidth + a.tileColumns - 1) / a.tileColumns;
  const band = chunk / tiles;
  const image = band / a.bands;
  const firstRow = (band - image * a.bands) * a.bandRows;
  const lastRow = min(firstRow + a.bandRows, a.yHeight);
  const x0 = (chunk - band * tiles) * a.tileColumns;
  const count = min(a.tileColumns, a.yWidth - x0);
  const pixel = (a.channels as usize) << 2;
  const left = x0 * stride - radius;
  const width = (count - 1) * stride + 1 + 2 * radius;
  const from = max(left, 0);
  const until = max(from, min(left + width, a.xWidth));
  const bytes = (width as usize) * pixel;
  const before = ((from - left) as usize) * pixel;
  const inside = ((until - from) as usize) * pixel;
  const zeros = local;
  const sums = local + bytes;
  memory.fill(zeros, 0, bytes);
  for (let d = 0; d <= radius; d++) {
    const row = sums + (d as usize) * bytes;
    memory.fill(row, 0, before);
    memory.fill(row + before + inside, 0, bytes - before - inside);
  }
  const rowBytes = (a.xWidth as usize) * pixel;
  const x = a.x + (image as usize) * (a.xHeight as usize) * rowBytes + (from as usize) * pixel;
  const height = a.xHeight;
  for (let row = firstRow; row < lastRow; row++) {
    const center = row * stride;
    columnsOf(
      a,
      inside,
      bytes,
      sums + before,
      rowAt(center, height, x, rowBytes, zeros),
      rowAt(center - 1, height, x, rowBytes, zeros),
      rowAt(center + 1, height, x, rowBytes, zeros),
      rowAt(center - 2, height, x, rowBytes, zeros),
      rowAt(center + 2, height, x, rowBytes, zeros),
      rowAt(center - 3, height, x, rowBytes, zeros),
      rowAt(center + 3, height, x, rowBytes, zeros),
    );
    const y = a.y + (((image * a.yHeight + row) * a.yWidth + x0) as usize) * a.yStride;
    if (radius == 3) poolRow(a, 3, sums, bytes, pixel, count, y);
    else if (radius == 2) poolRow(a, 2, sums, bytes, pixel, count, y);
    else if (radius == 1) poolRow(a, 1, sums, bytes, pixel, count, y);
    else poolRow(a, 0, sums, bytes, pixel, count, y);
  }
}
