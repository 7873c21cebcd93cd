/** The products of `image.ts`: rows of taps, runs of floats as they lie in the ring, with weights in blocks of eight outputs. */
import { No, Yes } from '../lanes';
import { wide } from '../width';
import { ImageBlock } from './imageBlock';
import { multiply8 } from './imageProducts8';
import { multiply16 } from './imageProducts16';

/** All outputs of `count` pixels. */
export function multiplyStrip<Activate>(
  k: ImageBlock,
  at: usize,
  w: usize,
  y: usize,
  bias: usize,
  slope: usize,
  count: i32,
  channels: i32,
): void {
  if (wide) {
    for (; channels > 8; channels -= 16) {
      if (channels >= 16) multiply16<Activate, No>(k, at, w, y, bias, slope, count, 8);
      else multiply16<Yes, Yes>(k, at, w, y, bias, slope, count, channels - 8);
      w += k.wStep << 1;
      y += 64;
      bias += k.biasStep << 1;
      slope += k.slopeStep << 1;
    }
  }
  for (; channels > 0; channels -= 8) {
    if (channels >= 8) multiply8<Activate, No>(k, at, w, y, bias, slope, count, 8);
    else multiply8<Yes, Yes>(k, at, w, y, bias, slope, count, channels);
    w += k.wStep;
    y += 32;
    bias += k.biasStep;
    slope += k.slopeStep;
  }
}
