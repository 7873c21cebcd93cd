import { Yes } from '../lanes';
import { Input } from './input';
import { finish } from './output';
import { secondOffset, weightsStep } from './weights';

/** What pixels and their outputs share. */
@unmanaged
export class PointBlock {
  xStep: usize;
  inputBytes: usize;
  yStep: usize;
  rStep: usize;
  /** Bytes of the weights of 8 outputs. */
  wStep: usize;
  /** Of 16 outputs: bytes from the first 8 to the others, and from an input to the next. */
  second: usize;
  turn: usize;
  /** Address of room for eight outputs. */
  spare: usize;
}

/** Eight outputs of a pixel. */
// @ts-ignore: decorator
@inline
export function write<Add, Some>(
  y: usize,
  low: v128,
  high: v128,
  bias: usize,
  slope: usize,
  r: usize,
  rest: i32,
  spare: usize,
): void {
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  const slope0 = v128.load(slope);
  const slope1 = v128.load(slope, 16);
  finish<Yes, Add, Some>(y, low, high, r, bias0, bias1, slope0, slope1, rest, spare);
}

/** Zeros, then ones, `octBytes` each, and behind them what pixels that are `stride` apart share, but for the steps of outputs. */
export function fillPointBlock(input: Input, stride: i32, local: usize, octBytes: usize): PointBlock {
  memory.fill(local, 0, octBytes);
  for (let at: usize = 0; at < octBytes; at += 4) store<f32>(local + octBytes + at, 1);
  const k = changetype<PointBlock>(local + 2 * octBytes);
  k.xStep = (stride as usize) * input.pixel;
  k.inputBytes = (input.channels as usize) << 2;
  k.wStep = (((input.channels + 3) & ~3) as usize) << 5;
  const octs = (octBytes >> 5) as i32;
  k.second = secondOffset(octs, k.wStep);
  k.turn = weightsStep(0, octs, k.wStep);
  k.spare = changetype<usize>(k) + offsetof<PointBlock>();
  return k;
}
