/** Writing a convolution's output: bias, PReLU, residual. */
import { prelu4 } from '../lanes';
import { planeBytes } from './gemm';

/** A tensor as a convolution writes it; steps in bytes, `channels` of one group. Absent addresses are 0. */
@unmanaged
export class Output {
  y: usize;
  image: usize;
  row: usize;
  pixel: usize;
  channels: i32;
  bias: usize;
  slope: usize;
  residual: usize;
  residualImage: usize;
  residualRow: usize;
  residualPixel: usize;
}

/** Stores the first `rest` lanes. */
// @ts-ignore: decorator
@inline
export function storeLanes(y: usize, v: v128, rest: i32): void {
  store<f32>(y, f32x4.extract_lane(v, 0));
  if (rest > 1) store<f32>(y, f32x4.extract_lane(v, 1), 4);
  if (rest > 2) store<f32>(y, f32x4.extract_lane(v, 2), 8);
  if (rest > 3) store<f32>(y, f32x4.extract_lane(v, 3), 12);
}

// @ts-ignore: decorator
@inline
function write(
  m: usize,
  end: usize,
  y: usize,
  yStep: usize,
  r: usize,
  rStep: usize,
  bias: v128,
  slope: v128,
  activate: bool,
  add: bool,
  rest: i32,
): void {
  while (m < end) {
    let v = v128.load(m);
    if (activate) v = prelu4(f32x4.add(v, bias), slope);
    if (add) {
      v = f32x4.add(v, v128.load(r));
      r += rStep;
    }
    if (rest >= 4) v128.store(y, v);
    else storeLanes(y, v, rest);
    m += 16;
    y += yStep;
  }
}

/** Writes `count` pixels from planes `m`. `y`, `r`: the first pixel's first channel, channel `first` of the tensor. */
export function writePixels(output: Output, first: i32, m: usize, count: i32, y: usize, r: usize): void {
  const yStep = output.pixel;
  const rStep = output.residualPixel;
  const activate = output.bias != 0 || output.slope != 0;
  for (let c = 0; c < output.channels; c += 4) {
    const rest = output.channels - c;
    const at = ((first + c) as usize) << 2;
    const bias = output.bias ? v128.load(output.bias + at) : f32x4.splat(0);
    const slope = output.slope ? v128.load(output.slope + at) : f32x4.splat(1);
    const end = m + ((count as usize) << 4);
    if (rest < 4) {
      if (r) write(m, end, y, yStep, r, rStep, bias, slope, true, true, rest);
      else write(m, end, y, yStep, r, rStep, bias, slope, true, false, rest);
    } else if (activate) {
      if (r) write(m, end, y, yStep, r, rStep, bias, slope, true, true, 4);
      else write(m, end, y, yStep, r, rStep, bias, slope, true, false, 4);
    } else {
      if (r) write(m, end, y, yStep, r, rStep, bias, slope, false, true, 4);
      else write(m, end, y, yStep, r, rStep, bias, slope, false, false, 4);
    }
    m += planeBytes;
    y += 16;
    if (r) r += 16;
  }
}
